/* lib: net */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/net/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct s3_page page;
	struct s3_answer answer;
	struct err e = ERR_INIT;

	if (s3_xml_page((const char *)data, size, &page, &e) == 0) {
		for (size_t i = 0; i < page.n; i++)
			if (!page.objects[i].key)
				abort();
		if (page.truncated && !page.next)
			abort();
		s3_page_release(&page);
	} else if (page.n || page.objects || page.next || e.kind != ERR_BAD_DATA) {
		abort();
	}
	s3_xml_answer((const char *)data, size, &answer);
	if (!memchr(answer.code, 0, sizeof(answer.code)) ||
	    !memchr(answer.upload_id, 0, sizeof(answer.upload_id)))
		abort();
	return 0;
}

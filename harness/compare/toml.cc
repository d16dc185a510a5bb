#include "harness/compare/toml.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <string>

/* A parser that meets what it did not expect refuses the file; it does not end the process. */
#define TOML_ASSERT(condition) \
	do { \
		if (!(condition)) \
			throw std::runtime_error("it can't be read"); \
	} while (false)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas" /* what another compiler does not know */
#pragma GCC diagnostic ignored "-Wterminate"
#include <toml++/toml.h>
#pragma GCC diagnostic pop

namespace {

char *copy(std::string_view s)
{
	char *out = static_cast<char *>(std::malloc(s.size() + 1));

	if (!out)
		std::abort();
	std::memcpy(out, s.data(), s.size());
	out[s.size()] = '\0';
	return out;
}

template <typename T> void set_text(toml_value *v, const T &value)
{
	std::ostringstream out;

	out << value;
	v->text = copy(out.str());
	v->text_len = out.str().size();
}

/* Enough digits to read it again, and nothing that depends on a locale. */
void set_float(toml_value *v, double d)
{
	char text[64];

	std::snprintf(text, sizeof(text), d != d ? "nan" : "%.17g", d);
	v->text = copy(text);
	v->text_len = std::strlen(text);
}

void take(toml_value *v, const toml::node &node)
{
	v->line = static_cast<unsigned>(node.source().begin.line);
	switch (node.type()) {
	case toml::node_type::table: {
		const toml::table &t = *node.as_table();

		v->kind = TOML_TABLE;
		v->child = static_cast<toml_value *>(std::calloc(t.size() + 1, sizeof(*v->child)));
		for (auto &&[key, child] : t) {
			toml_value *c = &v->child[v->n++];

			c->key = copy(key.str());
			c->key_len = key.length();
			take(c, child);
			c->line = static_cast<unsigned>(key.source().begin.line);
		}
		break;
	}
	case toml::node_type::array: {
		const toml::array &a = *node.as_array();

		v->kind = TOML_LIST;
		v->child = static_cast<toml_value *>(std::calloc(a.size() + 1, sizeof(*v->child)));
		for (auto &&child : a)
			take(&v->child[v->n++], child);
		break;
	}
	case toml::node_type::string:
		v->kind = TOML_TEXT;
		v->text = copy(node.as_string()->get());
		v->text_len = node.as_string()->get().size();
		break;
	case toml::node_type::integer:
		v->kind = TOML_INTEGER;
		v->integer = node.as_integer()->get();
		set_text(v, v->integer);
		break;
	case toml::node_type::floating_point:
		v->kind = TOML_FLOAT;
		set_float(v, node.as_floating_point()->get());
		break;
	case toml::node_type::boolean:
		v->kind = TOML_TRUTH;
		v->truth = node.as_boolean()->get();
		v->text = copy(v->truth ? "true" : "false");
		v->text_len = std::strlen(v->text);
		break;
	case toml::node_type::date:
		v->kind = TOML_LOCAL_DATE;
		set_text(v, node.as_date()->get());
		break;
	case toml::node_type::time:
		v->kind = TOML_LOCAL_TIME;
		set_text(v, node.as_time()->get());
		break;
	default:
		v->kind = node.as_date_time()->get().is_local() ? TOML_LOCAL_DATETIME : TOML_DATETIME;
		set_text(v, node.as_date_time()->get());
		break;
	}
}

void release(toml_value *v)
{
	for (size_t i = 0; i < v->n; i++)
		release(&v->child[i]);
	std::free(v->child);
	std::free(v->key);
	std::free(v->text);
}

} // namespace

struct toml_value *toml_read(const char *text, size_t n, char *why, size_t room, unsigned *line)
{
	try {
		toml::table t = toml::parse(std::string_view(text, n));
		toml_value *v = static_cast<toml_value *>(std::calloc(1, sizeof(*v)));

		take(v, t);
		return v;
	} catch (const toml::parse_error &e) {
		std::string_view what = e.description();

		*line = static_cast<unsigned>(e.source().begin.line);
		std::snprintf(why, room, "%.*s", static_cast<int>(what.size()), what.data());
	} catch (const std::exception &e) {
		*line = 0;
		std::snprintf(why, room, "%s", e.what());
	}
	return nullptr;
}

void toml_free(struct toml_value *v)
{
	if (v)
		release(v);
	std::free(v);
}

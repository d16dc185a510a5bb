/* Holds a JSON value against a JSON Schema, as far as ours goes: type, const, enum, required,
 * properties, additionalProperties, items, minimum. A keyword beyond these (other than words for
 * people) fails the test: nothing in the schema is silently not checked. */
#ifndef TESTS_UNIT_REPORTS_JSON_SCHEMA_H
#define TESTS_UNIT_REPORTS_JSON_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool schema_type(const json_t *v, const char *type)
{
	return !strcmp(type, "object")    ? json_is_object(v)
	       : !strcmp(type, "array")   ? json_is_array(v)
	       : !strcmp(type, "string")  ? json_is_string(v)
	       : !strcmp(type, "integer") ? json_is_integer(v)
	       : !strcmp(type, "number")  ? json_is_number(v)
	       : !strcmp(type, "boolean") ? json_is_boolean(v)
	       : !strcmp(type, "null")    ? json_is_null(v)
					  : false;
}

/* NULL: it holds; else what does not, with its path. */
static const char *schema_hold(json_t *schema, json_t *v, const char *path)
{
	static char why[512];
	const char *key, *name;
	bool fits = false;
	json_t *rule, *one;
	char at[256];
	size_t i;

	if (json_is_boolean(schema))
		return json_is_true(schema)
			       ? NULL
			       : (snprintf(why, sizeof(why), "%s: is not allowed", path), why);
	json_object_foreach(schema, key, rule)
	{
		snprintf(why, sizeof(why), "%s: breaks %s", path, key);
		if (!strcmp(key, "type")) {
			fits = json_is_string(rule) && schema_type(v, json_string_value(rule));
			json_array_foreach(rule, i, one) fits |=
				schema_type(v, json_string_value(one));
			if (!fits)
				return why;
		} else if (!strcmp(key, "const")) {
			if (!json_equal(rule, v))
				return why;
		} else if (!strcmp(key, "enum")) {
			fits = false;
			json_array_foreach(rule, i, one) fits |= json_equal(one, v);
			if (!fits)
				return why;
		} else if (!strcmp(key, "minimum")) {
			if (json_is_number(v) && json_number_value(v) < json_number_value(rule))
				return why;
		} else if (!strcmp(key, "required")) {
			json_array_foreach(
				rule, i,
				one) if (json_is_object(v) &&
					 !json_object_get(
						 v,
						 json_string_value(
							 one))) return snprintf(why, sizeof(why),
										"%s: lacks %s",
										path,
										json_string_value(
											one)),
				why;
		} else if (!strcmp(key, "items")) {
			json_array_foreach(v, i, one)
			{
				const char *bad;

				snprintf(at, sizeof(at), "%.200s[%zu]", path, i);
				bad = schema_hold(rule, one, at);
				if (bad)
					return bad;
			}
		} else if (strcmp(key, "properties") != 0 &&
			   strcmp(key, "additionalProperties") != 0 &&
			   strcmp(key, "description") != 0 && strcmp(key, "title") != 0 &&
			   strcmp(key, "$schema") != 0) {
			return snprintf(why, sizeof(why),
					"the schema's keyword %s is not known to this test", key),
			       why;
		}
	}
	json_object_foreach(v, name, one)
	{
		json_t *property = json_object_get(json_object_get(schema, "properties"), name);
		const char *bad;

		snprintf(at, sizeof(at), "%.150s.%.80s", path, name);
		property = property ? property : json_object_get(schema, "additionalProperties");
		bad = property ? schema_hold(property, one, at) : NULL;
		if (bad)
			return bad;
	}
	return NULL;
}

#endif

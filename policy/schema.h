/* schema.h - the JSON Schema of policy files, for editors. */
#ifndef POLICY_SCHEMA_H
#define POLICY_SCHEMA_H

#include <stddef.h>

extern const char policy_schema[]; /* ends with a newline */
extern const size_t policy_schema_len;

#endif

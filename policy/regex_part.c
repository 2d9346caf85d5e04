/* regex_part.c - RE2 as a part that is loaded when the first expression is. */
#include "policy/regex_re2.h"
#include "runtime/base/part.h"

static const struct regex_calls calls = {.re2_new = regex_re2_new,
                                         .re2_free = regex_re2_free,
                                         .re2_size = regex_re2_size,
                                         .re2_search = regex_re2_search};

PART_EXPORT extern const struct part cordon_part_regex;
const struct part cordon_part_regex = {PART_VERSION, &calls};

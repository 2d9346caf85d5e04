/* regex_re2.cc - RE2 for C: no exception leaves this file. */
#include "policy/regex_re2.h"

#include <re2/re2.h>

#include <cstring>

void *regex_re2_new(const char *pattern, size_t len, int64_t max_memory,
                    char *message, size_t message_cap) {
  message[0] = '\0';
  try {
    RE2::Options options;
    options.set_log_errors(false); /* a library prints nothing */
    options.set_never_capture(true);
    options.set_max_mem(max_memory);
    RE2 *re = new RE2(re2::StringPiece(pattern, len), options);
    if (re->ok())
      return re;
    std::strncpy(message, re->error().c_str(), message_cap - 1);
    message[message_cap - 1] = '\0';
    delete re;
  } catch (...) {
    message[0] = '\0';
  }
  return nullptr;
}

void regex_re2_free(void *re2) {
  try {
    delete static_cast<RE2 *>(re2);
  } catch (...) {
  }
}

size_t regex_re2_size(const void *re2) {
  try {
    const int size = static_cast<const RE2 *>(re2)->ProgramSize();
    return size > 0 ? static_cast<size_t>(size) : 0;
  } catch (...) {
    return 0;
  }
}

int regex_re2_search(const void *re2, const char *text, size_t len) {
  try {
    const RE2 *re = static_cast<const RE2 *>(re2);
    return re->Match(re2::StringPiece(text, len), 0, len, RE2::UNANCHORED,
                     nullptr, 0);
  } catch (...) {
    return -1;
  }
}

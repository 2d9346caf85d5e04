/* errors.h - error objects: how C code of modules makes them. */
#ifndef MODULES_ERRORS_H
#define MODULES_ERRORS_H

#include <lua.h>
#include <stdbool.h>

/* lua-api.md, "errors" */
#define KIND_UNKNOWN ""
#define KIND_INVALID "Invalid"
#define KIND_NOT_FOUND "NotFound"
#define KIND_ALREADY_EXISTS "AlreadyExists"
#define KIND_PERMISSION_DENIED "PermissionDenied"
#define KIND_UNAVAILABLE "Unavailable"
#define KIND_INTERNAL "Internal"
#define KIND_CANCELED "Canceled"
#define KIND_CONFLICT "Conflict"
#define KIND_TIMEOUT "Timeout"
#define KIND_RATE_LIMITED "RateLimited"

/* Is |kind| one of these? */
bool error_kind_known(const char *kind);

/* Pushes an error object with the stack of |L| where it is made.  |details|:
 * the index of a table, or 0.  The message is escaped as err_setf does. */
void error_push(lua_State *L, const char *kind, bool retryable, int details,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Pushes nil (or false) and an error object; returns 2, for a C function's
 * return. */
int fail_nil(lua_State *L, const char *kind, bool retryable, const char *fmt,
             ...) __attribute__((format(printf, 4, 5)));
int fail_false(lua_State *L, const char *kind, bool retryable, const char *fmt,
               ...) __attribute__((format(printf, 4, 5)));

/* What the value at |idx| says of itself, for the host: "kind" of an error
 * object, else NULL. */
const char *error_kind(lua_State *L, int idx);

int luaopen_errors(lua_State *L);

#endif

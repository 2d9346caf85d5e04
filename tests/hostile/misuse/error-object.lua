-- error-object.lua - an error object nobody caught is told with its kind.
-- status: 1
-- stderr: no such fish
-- stderr: NotFound
error(errors.new {message = "no such fish", kind = errors.NOT_FOUND})

-- error-object-hostile.lua - an error object whose every field is meant for
-- somebody else.
-- status: 1
-- args: --cpu 2s --memory 32MiB
-- stderr: context
local e = errors.new {message = "careful\27[2J" .. ("m"):rep(100000),
  kind = errors.INVALID, details = {["\0\27[2J"] = ("d"):rep(100000)}}
for i = 1, 50 do e = errors.wrap(e, "context\27[1m " .. i) end
error(e)

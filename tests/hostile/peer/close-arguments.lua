-- close-arguments.lua - codes and reasons that may not be sent.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: echo
-- stdout: fine
local client = assert(require "websocket".connect(arg[1]))
for _, code in ipairs {-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000,
    65536 + 1000, 1 << 40, math.mininteger, math.maxinteger} do
  local ok, err = client:close(code)
  assert(ok == false and err:kind() == errors.INVALID, code)
end
for _, reason in ipairs {("x"):rep(124), "\255", "\237\160\128"} do
  local ok, err = client:close(1000, reason)
  assert(ok == false and err:kind() == errors.INVALID)
end
assert(not pcall(client.close, client, "x"))
assert(not pcall(client.close, client, 1000, {}))
assert(not pcall(client.send, client))
assert(not pcall(client.send, client, {}))
assert(client:send("x", 3) == false)
assert(client:send("\255") == false)
assert(client:ping(("x"):rep(126)) == false)
assert(client.send({}, "x") == false)
assert(client.close(nil) == false)
assert(client:send("still open"))
assert(client:channel():receive().data == "still open")
print "fine"

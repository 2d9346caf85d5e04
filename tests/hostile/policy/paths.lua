-- paths.lua - the path that is allowed, and those that only look like it.
-- status: 0
-- args: --cpu 5s --memory 16MiB -q --allow ws://localhost:1/public/*
-- stdout: refused them all
local websocket = require "websocket"
for _, path in ipairs {"/", "/public", "/public/../admin", "/public/./../admin",
    "/public/%2e%2e/admin", "/public/..%2fadmin",
    "/public\\..\\admin", "/Public/x", "//public/x", "/%70ublic/../x",
    "/x?/public/x", "/x#/public/x", "/public%2fx", "/publicx", "/public\0/x",
    "/public/..", "/public/x/../../admin"} do
  local client, err = websocket.connect("ws://localhost:1" .. path)
  assert(client == nil)
  assert(err:kind() == errors.PERMISSION_DENIED or
         err:kind() == errors.INVALID, path .. " " .. tostring(err))
end
print "refused them all"

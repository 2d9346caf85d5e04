-- changed-url.lua - what the script holds of the URL is not what is used.
-- status: 0
-- args: --cpu 2s --memory 16MiB -q
-- server: show
-- stdout: as asked
local websocket = require "websocket"
local t = setmetatable({}, {__tostring = function() return arg[1] end,
                            __concat = function() return arg[1] end})
assert(not pcall(websocket.connect, t))
local options = {headers = {A = "1"}}
coroutine.spawn(function()
  options.headers.A = "2\r\nB: 3"
  options.headers = "x"
  options.protocols = {"y"}
  arg[1] = "ws://localhost:1/"
end)
local client = assert(websocket.connect(arg[1], options))
local seen = client:channel():receive().data
assert(seen:find("A: 1", 1, true) and not seen:find("B: 3", 1, true))
print "as asked"

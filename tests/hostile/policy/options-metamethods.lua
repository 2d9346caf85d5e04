-- options-metamethods.lua - options are read once and raw.
-- status: 0
-- args: --cpu 2s --memory 16MiB
-- server: show
-- stdout: read raw
local websocket = require "websocket"
local asked = 0
local liar = {__index = function() asked = asked + 1 return "x\r\ny" end,
              __pairs = function() asked = asked + 1 return next, {} end,
              __len = function() asked = asked + 1 return 1 << 40 end}
local options = setmetatable({headers = setmetatable({A = "1"}, liar),
                              protocols = setmetatable({}, liar)}, liar)
local client = assert(websocket.connect(arg[1], options))
assert(asked == 0)
assert(client:channel():receive().data:find("A: 1", 1, true))
print "read raw"

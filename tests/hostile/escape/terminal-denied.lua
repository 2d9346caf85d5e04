-- terminal-denied.lua - nor does a URL or the name of an action.
-- status: 0
-- args: --cpu 1s --memory 16MiB
local websocket, security = require "websocket", require "security"
websocket.connect("ws://example.com/\27[2J\7\r\n")
websocket.connect("\27]0;x\7")
security.policy("\27[2J:\7")
security.named_scope("\27[2J:\7")
security.new_actor("\27[2J\7\0")
security.can("\27[2J", "\7")

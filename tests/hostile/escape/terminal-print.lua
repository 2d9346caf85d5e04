-- terminal-print.lua - what a script prints is its own affair, what is said
-- about it is not.
-- status: 1
-- args: --cpu 1s --memory 16MiB
-- stderr: \x1b
local time = require "time"
local ok, e1 = pcall(error, "\27[2J")
local _, e2 = time.parse("\27[1m", "\27[2m")
local _, e3 = require "websocket".connect("ws://\27[3m/")
local _, e4 = require "json".decode("\27")
error(errors.new(tostring(e2) .. tostring(e3) .. "\27]0;x\7"))

-- require-replaced.lua - what a script does to its own globals changes
-- nothing for the modules of the host.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: contained
local time, json = require "time", require "json"
local keep = {print = print, pairs = pairs, assert = assert, pcall = pcall,
              require = require, tostring = tostring}
local globals = _G
for k in pairs(globals) do globals[k] = nil end
for k, v in keep.pairs(keep) do _ENV[k] = v end
assert(json.encode({a = {1, 2}}) == '{"a":[1,2]}')
assert(time.now():format("2006"))
assert(require "websocket".connect)
assert(require "errors".new("x"):message() == "x")
assert(pcall(require "channel".new, 1))
print "contained"

-- result-unserialisable.lua - results that cannot leave: functions, threads,
-- host objects, a table that holds itself, a number that is none.
-- status: 0
-- args: --cpu 1s --memory 8MiB
-- stdout: fine
local t = setmetatable({}, {__tostring = error, __index = error,
  __len = error, __pairs = error, __name = "\27[2J", __metatable = false})
t.self = t
print "fine"
return t, print, coroutine.create(print), channel.new(), 0 / 0, nil,
  require "time".now(), t

-- traceback-names.lua - errors with names that are long or not text.
-- status: 1
-- args: --cpu 1s --memory 16MiB
-- stderr: stack traceback
local t = {}
local name = ("\27[31m\0\255"):rep(2000)
t[name] = function() error(setmetatable({}, {__name = name})) end
t.x = function() local a <close> = setmetatable({}, {__close = function(_, e)
  error(name) end}) t[name]() end
t.x()

---@meta _

---What is here beside plain Lua 5.4, and what is not: there are no `load`,
---`loadstring`, `loadfile`, `dofile`, `collectgarbage`, `io`, `debug`, `package`
---and `string.dump`, and of `os` only `clock`, `date`, `difftime` and `time`.

---The arguments of the script.
---@type string[]
arg = {}

---The same as `table.unpack`.
---@generic T
---@param list T[]
---@param i? integer
---@param j? integer
---@return T ...
---@nodiscard
function unpack(list, i, j) end

---Starts a task that the scheduler runs beside the others.  An error that it
---does not catch ends the whole script.
---@param fn function
---@param ... any its arguments
function coroutine.spawn(fn, ...) end

-- handler-recursion.lua - a message handler that fails in itself.
-- status: 10 11
-- args: --cpu 50ms --memory 16MiB
local function handler(e) return handler(e) .. error(e) end
while true do xpcall(error, handler, "x") end

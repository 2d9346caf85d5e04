-- Something goes wrong after a while.
local time = require("time")

local function main()
  time.sleep("1ms")
  error("the source of all numbers is gone")
end

return { main = main }

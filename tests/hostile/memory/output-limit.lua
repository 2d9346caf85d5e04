-- output-limit.lua - printing without end is stopped, in tasks and handlers.
-- status: 13
-- args: --max-output 64KiB
-- stderr: output
while true do
  pcall(function()
    local guard <close> = setmetatable({}, {__close = function()
      while true do print("again") end
    end})
    xpcall(function()
      while true do print(("x"):rep(100)) end
    end, function() while true do print("handled") end end)
  end)
end

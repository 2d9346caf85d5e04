-- close-error.lua - the CPU limit is reached in variables closed by an error.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
local spin = setmetatable({}, {__close = function() while true do end end})
while true do
  pcall(function()
    local a <close> = spin
    local b <close> = spin
    error "x"
  end)
end
print "survived"

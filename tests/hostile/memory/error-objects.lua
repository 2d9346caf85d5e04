-- error-objects.lua - error objects with details.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local all = {}
while true do
  pcall(function()
    all[#all + 1] = errors.new {message = ("m"):rep(100) .. #all,
                                details = {a = {b = {c = {}}}}}
  end)
end

-- recursion-through-c.lua - each way from C into Lua, within each other one, as
-- deep as it goes.
-- status: 0 10 11
-- args: --cpu 200ms --memory 16MiB
local function with(field, f) return setmetatable({}, {[field] = f}) end
local ways = {
  function(f) pcall(f, f) end,
  function(f) xpcall(error, function() f(f) end) end,
  function(f) coroutine.wrap(f)(f) end,
  function(f) table.sort({1, 2}, function() f(f) return false end) end,
  function(f) ("a"):gsub("a", function() f(f) end) end,
  function(f) tostring(with("__tostring", function() f(f) return "" end)) end,
  function(f) string.format("%s", with("__tostring", function() f(f) end)) end,
  function(f) return with("__index", function() f(f) end).x end,
  function(f) return with("__concat", function() f(f) end) .. "x" end,
  function(f) return #with("__len", function() return f(f) end) end,
  function(f) return -with("__unm", function() return f(f) end) end,
  function(f) return with("__eq", function() return f(f) end) == {} end,
  function(f) return math.max(with("__lt", function() f(f) end), 1) end,
  function(f) for _ in pairs(with("__pairs", function() f(f) end)) do end end,
  function(f) for _ in coroutine.wrap(f), f do end end,
  function(f) local x <close> = with("__close", function() f(f) end) end,
  function(f) table.concat(with("__len", function() f(f) return 0 end)) end,
  function(f) table.insert(with("__newindex", function() f(f) end), 1) end,
  function(f) unpack(with("__index", function() f(f) end), 1, 1) end,
  function(f) os.time(with("__index", function() f(f) end)) end,
  function(f) with("__call", f)(f) end,
}
for _, f in ipairs(ways) do
  pcall(f, f)
  coroutine.wrap(function() pcall(f, f) end)()
  for _, g in ipairs(ways) do pcall(f, g) end
end

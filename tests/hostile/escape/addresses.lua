-- addresses.lua - no text tells an address.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: contained
local texts = {tostring({}), tostring(print), tostring(coroutine.running()),
  tostring(channel.new()), tostring(require "json"), tostring(function() end),
  ("%s"):format({}), ("%s"):format(print), tostring(require "json".null),
  select(2, pcall(error, {})) and "" or "", ("%q"):format(1)}
local ok, err = pcall(function() return {} .. "" end)
texts[#texts + 1] = err
ok, err = pcall(function() return #print end)
texts[#texts + 1] = err
for _, text in ipairs(texts) do
  assert(not text:find("0x") and not text:find(": 0000[57]"), text)
end
assert(not pcall(string.format, "%p", {}))
assert(not pcall(string.format, "%5p", {}))
assert(not pcall(string.format, "%-5p", "x"))
assert(select("#", math.randomseed(1)) == 0)
assert(select("#", math.randomseed()) == 0)
print "contained"

-- json-edges.lua - JSON that is nearly right.
-- status: 0
-- args: --cpu 2s --memory 32MiB
-- stdout: fine
local json = require "json"
for _, text in ipairs {"", " ", "{", "[", "\"", "\"\\", "\"\\u", "\"\\ud800\"",
    "\"\\udc00\\ud800\"", "{\"a\"", "{\"a\":", "{\"a\":1,", "[1,", "-", "+1",
    "01", "1.", ".1", "1e", "1e+", "1e999999999", "-1e999999999", "1e-999999999",
    ("1"):rep(100000), "0." .. ("0"):rep(100000) .. "1", "nul", "truee",
    "\239\187\191[]", "[]\0", "\0", "\"\0\"", "\"\1\"", "\"\255\"",
    "\"\237\160\128\"", "[1 2]", "{1:2}", "{\"a\":1 \"b\":2}", "[]]", "'a'",
    "NaN", "Infinity", "/* */1", ("["):rep(128) .. ("]"):rep(127),
    ("{\"a\":"):rep(128) .. "1" .. ("}"):rep(128), "9223372036854775808",
    "-9223372036854775809", "[" .. ("1,"):rep(100000) .. "1"} do
  local value, err = json.decode(text)
  assert((value == nil) == (err ~= nil) or value == nil)
  pcall(json.validate_string, text, text)
end
local deep = {}
for _ = 1, 1000 do deep = {deep} end
assert(select(2, json.encode(deep)))
assert(select(2, json.encode({[1] = 1, [3] = 3})))
assert(select(2, json.encode({[1] = 1, a = 3})))
assert(select(2, json.encode({[2^53] = 1})))
assert(select(2, json.encode(print)))
assert(select(2, json.encode(coroutine.running())))
assert(json.encode({0/0, 1/0, -1/0}) == "[null,null,null]")
assert(json.encode("\255\0\127") == "\"\u{FFFD}\\u0000\127\"")
print "fine"

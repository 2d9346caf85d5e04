-- json.lua - encode, decode, validate.
local check = require "check"
local json = require "json"
local eq, ok, has, raises, fails =
  check.eq, check.ok, check.has, check.raises, check.fails

raises(nil, function() json.encode = nil end)
raises(nil, function() json.null = nil end)
eq(tostring(json.null), "null")
eq(type(json.null), "userdata")
eq(getmetatable(json.null), false)

-- Encoding: scalars
for _, case in ipairs {
  {nil, "null"}, {json.null, "null"}, {true, "true"}, {false, "false"},
  {0, "0"}, {42, "42"}, {-1, "-1"},
  {math.maxinteger, "9223372036854775807"},
  {math.mininteger, "-9223372036854775808"},
  {3.14, "3.14"}, {0.1, "0.1"}, {-2.5, "-2.5"}, {1e-7, nil}, {5e-324, nil},
  {1.7976931348623157e308, nil}, {1 / 3, nil}, {2^53, nil}, {3.0, nil},
  {0 / 0, "null"}, {1 / 0, "null"}, {-1 / 0, "null"},
  {"", '""'}, {"hello", '"hello"'}, {"1", '"1"'},
} do
  local text, err = json.encode(case[1])
  eq(err, nil)
  if case[2] then
    eq(text, case[2])
  else -- the same double comes back, as a float
    eq(json.decode(text), case[1])
  end
end
raises(nil, json.encode)

-- Encoding: strings
for _, case in ipairs {
  {'a"b', [["a\"b"]]}, {"a\\b", [["a\\b"]]}, {"a/b", '"a/b"'},
  {"\b\f\n\r\t", [["\b\f\n\r\t"]]}, {"\0\1\31", [["\u0000\u0001\u001f"]]},
  {"\127", '"\127"'}, {"é€😀", '"é€😀"'}, {"\u{10FFFF}", '"\u{10FFFF}"'},
  {"\xff", '"\u{FFFD}"'}, {"a\xc3", '"a\u{FFFD}"'},
  {"\xed\xa0\x80", '"\u{FFFD}\u{FFFD}\u{FFFD}"'},
  {"\xc0\xafz", '"\u{FFFD}\u{FFFD}z"'},
} do
  eq(json.encode(case[1]), case[2])
end
for i = 0, 127 do
  local c = string.char(i)
  eq(json.decode(json.encode(c)), c)
end
local long = ("line \"with\" \\ and \n and é "):rep(20000)
eq(json.decode(json.encode(long)), long)
for pad = 0, 5 do -- characters that lie across the pieces of a long string
  local wide = ("a"):rep(65536 - pad) .. "😀é\xff€\xf0\x9f"
  eq(json.encode(wide), '"' .. ("a"):rep(65536 - pad) ..
     '😀é\u{FFFD}€\u{FFFD}\u{FFFD}"')
end

-- Encoding: tables
eq(json.encode {}, "[]")
eq(json.encode {1, 2, 3}, "[1,2,3]")
eq(json.encode {{}, {{}}}, "[[],[[]]]")
eq(json.encode {name = "test"}, '{"name":"test"}')
eq(json.encode {b = 1, a = 2, c = {z = 1, y = {}}},
   '{"a":2,"b":1,"c":{"y":[],"z":1}}')
eq(json.encode {[""] = 1, a = 1, aa = 1, A = 1, ["é"] = 1, ["a\0"] = 1},
   '{"":1,"A":1,"a":1,"a\\u0000":1,"aa":1,"é":1}')
eq(json.encode {["1"] = "x"}, '{"1":"x"}')
eq(json.encode {[1.0] = "x"}, '["x"]')
eq(json.encode {1, json.null, 3}, "[1,null,3]")
eq(json.encode {a = json.null}, '{"a":null}')
local wide, names = {}, {}
for i = 1, 3000 do
  wide[("k%04d"):format((i * 7919) % 3000)] = i
end
for name in json.encode(wide):gmatch('"(k%d+)"') do
  names[#names + 1] = name
end
eq(#names, 3000)
for i = 2, #names do
  if names[i - 1] >= names[i] then
    eq(names[i - 1], names[i], "sorted")
  end
end
local list = {}
for i = 1, 3000 do
  list[i] = i
end
eq(json.encode(list), "[" .. table.concat(list, ",") .. "]")

-- An empty object stays one.
local object = json.decode "{}"
eq(json.encode(object), "{}")
eq(getmetatable(object), nil)
eq(next(object), nil)
setmetatable(object, {})
eq(json.encode(object), "{}")
object.a = 1
eq(json.encode(object), '{"a":1}')
object.a = nil
eq(json.encode(object), "{}")
object[1] = "x"
eq(json.encode(object), '["x"]')
eq(json.encode(json.decode "[]"), "[]")
eq(json.encode(json.decode '{"a":{},"b":[],"c":[{}]}'),
   '{"a":{},"b":[],"c":[{}]}')
eq(json.encode(json.decode '{"a":null}'), "{}")
eq(json.encode(json.decode '{"a":1,"a":null}'), "{}")

-- Encoding: what cannot be
local function no(value, part)
  local text, err = json.encode(value)
  eq(text, nil)
  fails(errors.INTERNAL, false, part, text, err)
end
no({[1] = "a", [3] = "c"}, "sparse")
no({[0] = "a"}, "sparse")
no({[-1] = "a"}, "sparse")
no({"a", [0] = "z"}, "sparse")
no({[2] = 1}, "sparse")
no({[math.maxinteger] = 1}, "sparse")
no({"a", k = "b"}, "mixed")
no({k = "b", [7] = 1}, "mixed")
no({[1.5] = 1}, "mixed")
no({[true] = 1}, "mixed")
no({[{}] = 1}, "mixed")
no(print, "function")
no({a = {print}}, "function")
no(coroutine.create(print), "thread")
no(errors.new("e"), "userdata")
local cycle = {}
cycle[1] = cycle
no(cycle, "itself")
local a, b = {}, {}
a.b, b.a = b, a
no({x = {a}}, "itself")
local function nest(n, t)
  t = t or {}
  for _ = 2, n do
    t = {t}
  end
  return t
end
eq(json.encode(nest(128)), ("["):rep(128) .. ("]"):rep(128))
no(nest(129), "128")
local shared = {1}
eq(json.encode {shared, shared}, "[[1],[1]]")

-- Encoding calls no metamethod.
local calls = 0
local function touch()
  calls = calls + 1
end
local meta = {__index = touch, __len = touch, __pairs = touch,
              __tostring = touch, __name = "x"}
eq(json.encode(setmetatable({1, setmetatable({k = 1}, meta)}, meta)),
   '[1,{"k":1}]')
eq(json.encode(setmetatable({}, {__index = {1, 2, 3}})), "[]")
eq(calls, 0)

-- Decoding: accepted, compared through encode
for _, case in ipairs {
  {"null", "null"}, {" null ", "null"}, {"true", "true"}, {"false", "false"},
  {"\t\r\n 1", "1"}, {"0", "0"}, {"-1", "-1"},
  {"9223372036854775807", "9223372036854775807"},
  {"-9223372036854775808", "-9223372036854775808"},
  {"[]", "[]"}, {"[ ]", "[]"}, {"{}", "{}"}, {"{ }", "{}"}, {"[1]", "[1]"},
  {"[1,2 , 3]", "[1,2,3]"}, {'{"a":1}', '{"a":1}'},
  {'{ "a" : 1 , "b" : [ 2 ] }', '{"a":1,"b":[2]}'},
  {'{"a":1,"a":2}', '{"a":2}'}, {'{"a":{"b":1},"a":{"c":2}}', '{"a":{"c":2}}'},
  {'{"":0}', '{"":0}'}, {'["a",["b",{"c":["d"]}]]', '["a",["b",{"c":["d"]}]]'},
  {'"\\u0041"', '"A"'}, {'"\\u00e9\\u20AC"', '"é€"'},
  {'"\\ud83d\\ude00"', '"😀"'}, {'"\\uD83D\\uDE00"', '"😀"'},
  {'"\\u0000"', '"\\u0000"'}, {'"\\/\\"\\\\"', '"/\\"\\\\"'},
  {'"\\b\\f\\n\\r\\t"', '"\\b\\f\\n\\r\\t"'}, {'"\127"', '"\127"'},
  {'"\u{FFFF}\u{10FFFF}"', '"\u{FFFF}\u{10FFFF}"'},
  {'{"\\u0061":1,"a":2}', '{"a":2}'},
  {"[null]", "[]"}, {'{"a":null}', "{}"}, {"[null,null]", "[]"},
  {"[[[]]]", "[[[]]]"}, {"[true,false]", "[true,false]"},
} do
  local value, err = json.decode(case[1])
  eq(err, nil, case[1])
  eq(json.encode(value), case[2], case[1])
end

-- Decoding: numbers keep their kind.
eq(json.decode "1", 1)
eq(json.decode "1.0", 1.0)
eq(json.decode "1e2", 100.0)
eq(json.decode "1E+2", 100.0)
eq(json.decode "1.5e-3", 0.0015)
eq(json.decode "-0.0", -0.0)
eq(json.decode "9223372036854775808", 9223372036854775808.0)
eq(json.decode "1e-400", 0.0)
eq(json.decode "0.1", 0.1)
eq(json.decode "123456789012345678901234567890", 123456789012345678901234567890.0)

-- Decoding: holes and nulls
local t = json.decode "[1,null,3]"
eq(t[1], 1)
eq(t[2], nil)
eq(t[3], 3)
t = json.decode("[1,null,{\"a\":null}]", {null = json.null})
eq(t[2], json.null)
eq(t[3].a, json.null)
eq(json.encode(t), '[1,null,{"a":null}]')
eq(json.decode("null", {null = json.null}), json.null)
eq(json.decode("null"), nil)
eq(json.decode("[null]", {})[1], nil)
eq(json.decode("[null]", nil)[1], nil)
raises("json.null", json.decode, "1", {null = 0})
raises("table", json.decode, "1", "x")

-- Decoding: refused
fails(errors.INVALID, false, "empty", json.decode(""))
for _, text in ipairs {
  " ", "\n", "n", "nul", "nulll", "True", "TRUE", "tru", "fals", "undefined",
  "NaN", "Infinity", "-Infinity", "not json", "'a'", "a",
  "-", "+1", "01", "-01", "00", ".5", "1.", "1.e1", "1e", "1e+", "1e1.5",
  "0x10", "1 2", "1,", ",1", "--1", "1-", "- 1", "1e400", "-1e400", "1_000",
  "[", "]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1 2]", "[1;2]", "[1]]",
  "[1}", "[[]", "[1,,2]", "[a]", '["a"', '["a', "[1]x", "[] []",
  "{", "}", "{1:2}", "{a:1}", "{'a':1}", '{"a"}', '{"a":}', '{"a":1', '{"a":1,',
  '{"a":1,}', '{,"a":1}', '{"a":1 "b":2}', '{"a" 1}', '{"a"::1}', '{"a":1]',
  '{"a":1}}', '{"a":1},', '{"a":1,"b"', '{null:1}', '{"a":1,,"b":2}', "{}{}",
  '"', '"a', '"\\', '"\\"', '"\\x41"', '"\\u"', '"\\u12"', '"\\u12g4"',
  '"\\U0041"', '"\\ud800"', '"\\udc00"', '"\\ud800\\u0041"', '"\\ud800x"',
  '"\\ud800\\ud800"', '"\\0"', '"\\a"', '"\\\'"', '"\n"', '"\t"', '"\0"',
  '"\31"', '"a" "b"', '"a"x',
  '"\xff"', '"\xc3"', '"\xc0\xaf"', '"\xed\xa0\x80"', '"\xf4\x90\x80\x80"',
  '"\xe2\x82"', '{"\xff":1}', "\xff", "\xef\xbb\xbf1", "\xef\xbb\xbf{}",
  "\0", "1\0", "[1]\0", "/**/1", "1//x", "#1", "\u{a0}1", "\v1", "\f1",
} do
  local value, err = json.decode(text)
  eq(value, nil, text)
  fails(errors.INTERNAL, false, "line ", value, err)
  has(tostring(err), "column ", text)
end
local function at(text, line, column)
  local _, err = json.decode(text)
  has(tostring(err), ("line %d, column %d:"):format(line, column))
end
at("x", 1, 1)
at("[1,\n  2,\n  x]", 3, 3)
at('{"a" 1}', 1, 6)
at("[1,", 1, 4)
at("\n\n\n", 4, 1)

-- Decoding: depth
for _, pair in ipairs {{"[", "]"}, {'{"a":', "}"}} do
  local deep = pair[1]:rep(127) .. "[]" .. pair[2]:rep(127)
  eq(json.encode(json.decode(deep)), deep)
  fails(errors.INTERNAL, false, "128",
        json.decode(pair[1]:rep(128) .. "[]" .. pair[2]:rep(128)))
end
fails(errors.INTERNAL, false, nil, json.decode(("["):rep(1000000)))
fails(errors.INTERNAL, false, nil, json.decode(('{"a":'):rep(200000)))

-- Decoding: wrong arguments raise.
for _, bad in ipairs {1, true, {}, print} do
  raises("string", json.decode, bad)
end
raises("string", json.decode)
raises("string", json.decode, nil)

-- Round trip of something larger
local records = {}
for i = 1, 500 do
  records[i] = {id = i, name = "n" .. i, tags = {"a", "b", i}, ratio = i / 7,
                on = i % 2 == 0}
end
local text = json.encode(records)
eq(json.encode(json.decode(text)), text)
eq(json.decode(text)[500].ratio, 500 / 7)

-- json.validate
local schema = {
  type = "object",
  properties = {name = {type = "string"}, age = {type = "number"}},
  required = {"name"},
}
eq(json.validate(schema, {name = "John", age = 30}), true)
eq(select("#", json.validate(schema, {name = "John"})), 1)
local function bad(s, value, part)
  local valid, err = json.validate(s, value)
  eq(valid, false)
  return fails(errors.INVALID, false, part, valid, err)
end
bad(schema, {age = 30}, "name")
bad(schema, {name = 123}, "$.name: expected string, got integer")
bad(schema, nil, "data is required")
bad(nil, 1, "schema is required")
bad(5, 1, "schema must be")
bad(print, 1, "schema must be")
local str = '{"type":"object","properties":{"name":{"type":"string"}}}'
eq(json.validate(str, {name = "test"}), true)
bad(str, {name = 1}, "$.name")
bad("{", {}, "line 1")
bad("", {}, "empty")
bad("[1]", {}, "list")
bad("1", {}, "schema")
eq(json.validate("true", 1), true)
eq(json.validate(true, 1), true)
bad(false, 1, "no value")
eq(json.validate({}, 1), true)

-- Each keyword: schema, values that match, values that do not.
for _, case in ipairs {
  {'{"type":"null"}', {"null"}, {"0", "false", '""', "[]", "{}"}},
  {'{"type":"boolean"}', {"true", "false"}, {"0", '"true"', "null"}},
  {'{"type":"integer"}', {"1", "-5", "1.0", "1e3"}, {"1.5", '"1"', "true"}},
  {'{"type":"number"}', {"1", "1.5", "-0"}, {'"1"', "null"}},
  {'{"type":"string"}', {'""', '"x"'}, {"1", "null", "[]"}},
  {'{"type":"array"}', {"[]", "[1]"}, {"{}", '{"a":1}', '"[]"'}},
  {'{"type":"object"}', {"{}", '{"a":1}'}, {"[]", "[1]", "null"}},
  {'{"type":["string","null"]}', {'"a"', "null"}, {"1", "[]"}},
  {'{"enum":[1,"a",null,[1,{"b":2}]]}',
   {"1", "1.0", '"a"', "null", '[1,{"b":2}]'},
   {"2", '"b"', "false", '[1,{"b":3}]', "[1]", "[]"}},
  {'{"enum":[]}', {}, {"1"}},
  {'{"const":{"a":[1,2]}}', {'{"a":[1,2]}'}, {'{"a":[2,1]}', '{"a":[1]}', "{}"}},
  {'{"const":null}', {"null"}, {"0", "false"}},
  {'{"const":false}', {"false"}, {"0", "null", "true"}},
  {'{"minimum":2}', {"2", "2.5", '"x"'}, {"1", "1.99", "-3"}},
  {'{"maximum":2}', {"2", "1.5", "[]"}, {"3", "2.01"}},
  {'{"exclusiveMinimum":2}', {"2.1", "3"}, {"2", "2.0", "1"}},
  {'{"exclusiveMaximum":2}', {"1.9", "1"}, {"2", "2.0", "3"}},
  {'{"minimum":9007199254740993}', {"9007199254740993"},
   {"9007199254740992", "9007199254740992.0"}},
  {'{"minLength":2}', {'"ab"', '"éé"', "1"}, {'"a"', '"é"', '""'}},
  {'{"maxLength":2}', {'"ab"', '"😀😀"', '""'}, {'"abc"'}},
  {'{"minItems":2}', {"[1,2]", "{}", "1"}, {"[1]", "[]"}},
  {'{"maxItems":1}', {"[1]", "[]"}, {"[1,2]"}},
  {'{"minProperties":1}', {'{"a":1}', "[]"}, {"{}"}},
  {'{"maxProperties":1}', {'{"a":1}', "{}"}, {'{"a":1,"b":2}'}},
  {'{"uniqueItems":true}',
   {"[]", "[1,2]", '[1,"1"]', "[[1],[2]]", '[{"a":1},{"a":2}]', "[null,false]"},
   {"[1,1]", "[1,1.0]", '["a","a"]', "[[1],[1]]",
    '[{"a":1,"b":2},{"b":2,"a":1}]', "[null,null]", "[{},{}]"}},
  {'{"uniqueItems":false}', {"[1,1]"}, {}},
  {'{"items":{"type":"integer"}}', {"[]", "[1,2]", '"x"', '{"a":"b"}'},
   {'["a"]', "[1,null]", "[1.5]"}},
  {'{"items":false}', {"[]"}, {"[1]"}},
  {'{"prefixItems":[{"type":"string"},{"type":"integer"}]}',
   {"[]", '["a"]', '["a",1]', '["a",1,null]'}, {"[1]", '["a","b"]'}},
  {'{"prefixItems":[{"type":"string"}],"items":{"type":"integer"}}',
   {'["a",1,2]', "[]"}, {'["a","b"]', "[1]"}},
  {'{"required":["a","b"]}', {'{"a":1,"b":null}', "[]", "1"},
   {'{"a":1}', "{}"}},
  {'{"required":[]}', {"{}"}, {}},
  {'{"properties":{"a":{"type":"integer"},"b":true,"c":false}}',
   {"{}", '{"a":1}', '{"b":1}', '{"z":"z"}', "[]"},
   {'{"a":"x"}', '{"c":1}'}},
  {'{"properties":{"a":{}},"additionalProperties":false}',
   {"{}", '{"a":1}', "[1]"}, {'{"b":1}', '{"a":1,"b":1}'}},
  {'{"additionalProperties":{"type":"integer"}}', {'{"a":1,"b":2}', "{}"},
   {'{"a":"x"}'}},
  {'{"allOf":[{"minimum":1},{"maximum":3}]}', {"1", "2", "3"}, {"0", "4"}},
  {'{"anyOf":[{"type":"string"},{"minimum":5}]}', {'"a"', "5"}, {"4"}},
  {'{"oneOf":[{"type":"integer"},{"minimum":2}]}', {"1", "2.5"},
   {"3", "1.5"}},
  {'{"not":{"type":"string"}}', {"1", "null"}, {'"a"'}},
  {'{"not":true}', {}, {"1"}},
  {'{"title":"t","description":"d","default":1,"$schema":"s","$id":"i",' ..
   '"$comment":"c","examples":[1],"format":"my-own","deprecated":true,' ..
   '"readOnly":true,"writeOnly":false}', {"1", '"x"'}, {}},
  {'{"type":"object","properties":{"o":{"type":"array","items":' ..
   '{"type":"object","required":["k"]}}}}',
   {'{"o":[{"k":1}]}', '{"o":[]}'}, {'{"o":[{}]}', '{"o":{}}'}},
} do
  for _, value in ipairs(case[2]) do
    local valid, err = json.validate_string(case[1], value)
    eq(err, nil, case[1] .. " " .. value)
    eq(valid, true, case[1] .. " " .. value)
  end
  for _, value in ipairs(case[3]) do
    local valid, err = json.validate_string(case[1], value)
    eq(valid, false, case[1] .. " " .. value)
    fails(errors.INVALID, false, "$", valid, err)
  end
end

-- Schemas that are refused, whatever the value.
for _, s in ipairs {
  '{"typ":"string"}', '{"unevaluatedProperties":false}',
  '{"properties":{"a":{"patern":"x"}}}', '{"items":{"$ref":"x"}}',
  '{"$dynamicRef":"#a"}', '{"items":{"$id":"x"}}', '{"format":"iri"}',
  '{"anyOf":[true,{"nope":1}]}', '{"not":{"nope":1}}',
  '{"prefixItems":[{"nope":1}]}', '{"additionalProperties":{"nope":1}}',
} do
  fails(errors.INVALID, false, "is not supported", json.validate(s, 1))
end
for _, s in ipairs {
  '{"type":"text"}', '{"type":5}', '{"type":[]}', '{"type":["string",1]}',
  '{"enum":1}', '{"enum":{}}', '{"minimum":"1"}', '{"maximum":null}',
  '{"exclusiveMinimum":true}', '{"minLength":-1}', '{"minLength":1.5}',
  '{"maxItems":"1"}', '{"maxItems":1e300}', '{"uniqueItems":1}',
  '{"required":"a"}', '{"required":[1]}', '{"required":{}}',
  '{"properties":[1]}', '{"properties":1}', '{"properties":{"a":1}}',
  '{"items":[{"type":"string"}]}', '{"items":5}', '{"prefixItems":[]}',
  '{"prefixItems":{}}', '{"allOf":[]}', '{"anyOf":{}}', '{"oneOf":1}',
  '{"allOf":[1]}', '{"not":[1]}', '{"additionalProperties":1}',
  "[]x", "null", '"x"',
} do
  fails(errors.INVALID, false, nil, json.validate(s, 1))
end
eq(json.validate({minLength = 2.0}, "ab"), true)

-- Lua values as data
eq(json.validate({type = "array"}, {}), true)
eq(json.validate({type = "object"}, {}), true)
bad({type = "array"}, json.decode "{}", "expected array")
eq(json.validate({type = "null"}, json.null), true)
bad({type = "number"}, 0 / 0, "no JSON")
bad({}, 1 / 0, "no JSON")
bad({}, print, "no JSON")
bad({}, {1, a = 2}, "mixed")
bad({items = {}}, {{[3] = 1}}, "$[1]")
bad({uniqueItems = true}, {0 / 0}, "no JSON")
bad({properties = {a = {items = {type = "string"}}}}, {a = {"x", 5}},
    "$.a[2]: expected string, got integer")
bad({additionalProperties = false}, {extra = 1}, "unexpected property 'extra'")
bad({maximum = 2.5}, 3, "at most 2.5")
bad({minItems = 2}, {1}, "at least 2 elements, got 1")
bad({type = {"string", "null"}}, 1, "null or string")
local many = {}
for i = 1, 1001 do
  many[i] = {i}
end
bad({uniqueItems = true}, many, "1000")
many[1001] = nil
eq(json.validate({uniqueItems = true}, many), true)

-- Raw access, and no end of nesting
calls = 0
eq(json.validate(setmetatable({type = "object"}, meta),
                 setmetatable({k = 1}, meta)), true)
eq(calls, 0)
local loop = {}
loop["not"] = loop
bad(loop, 1, "deeper")
local deep = {type = "integer"}
for _ = 1, 63 do
  deep = {allOf = {deep}}
end
eq(json.validate(deep, 1), true)
bad({allOf = {deep}}, 1, "deeper")
eq(json.validate({const = cycle}, {1}), false)
local other = {}
other[1] = other
bad({const = cycle}, other, "const")

-- json.validate_string
eq(json.validate_string(schema, '{"name":"Jane","age":25}'), true)
fails(errors.INVALID, false, "name", json.validate_string(schema, '{"age":25}'))
fails(errors.INVALID, false, "line 1", json.validate_string(schema, "{"))
fails(errors.INVALID, false, "empty", json.validate_string(schema, ""))
fails(errors.INVALID, false, "JSON text", json.validate_string(schema, nil))
fails(errors.INVALID, false, "JSON text", json.validate_string(schema, {}))
fails(errors.INVALID, false, "schema is required",
      json.validate_string(nil, "1"))
eq(json.validate_string({type = "null"}, "null"), true)

check.done()

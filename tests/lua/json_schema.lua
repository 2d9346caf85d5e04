-- json_schema.lua - json.validate: patterns, formats, references, conditions,
-- and schemas that mean harm.
local check = require "check"
local json = require "json"
local eq, ok, has, fails = check.eq, check.ok, check.has, check.fails

local function good(schema, ...)
  for _, text in ipairs {...} do
    local valid, err = json.validate_string(schema, text)
    eq(err, nil, schema .. " " .. text)
    eq(valid, true)
  end
end
local function bad(part, schema, ...)
  for _, text in ipairs {...} do
    local err = fails(errors.INVALID, false, nil,
                      json.validate_string(schema, text))
    has(tostring(err), part, schema .. " " .. text)
  end
end

-- Numbers
good('{"multipleOf":2}', "4", "0", "-6", "4.0", '"x"', "9007199254740992")
bad("multiple of 2", '{"multipleOf":2}', "3", "4.5", "9007199254740993",
    "4503599627370495", "4503599627370495.0")
good('{"multipleOf":0.01}', "0.07", "4.35", "1.1", "19.99", "1e300", "-0.29")
bad("multiple of 0.01", '{"multipleOf":0.01}', "0.075", "4.351", "1.0001")
bad("multiple", '{"multipleOf":0.123456789}', "1e308")
good('{"type":"integer","multipleOf":0.5}', "1e308")

-- Patterns: found anywhere in the text, in RE2's syntax and ECMA-262's escapes
good('{"pattern":"^a+$"}', '"a"', '"aaa"', "1", "null")
bad("does not match the pattern '^a+$'", '{"pattern":"^a+$"}', '""', '"ab"')
good('{"pattern":"b"}', '"abc"')
good('{"pattern":"^.$"}', '"\\u00e9"', '"\\ud83d\\ude00"')
good([[{"pattern":"^\\u00e9\\cI\\/\\d{2,3}$"}]], '"\\u00e9\\t/12"')
good([[{"pattern":"^(?<year>\\d{4})-\\p{Letter}+$"}]], '"2024-\\u00e9t\\u00e9"')
good([[{"pattern":"^\\\\u0041$"}]], '"\\\\u0041"')
bad("bad regular expression", '{"pattern":"("}', '"a"')
bad("bad regular expression", '{"pattern":"a(?=b)"}', '"a"')
bad("bad regular expression", '{"pattern":"(?:a{999}){999}"}', '"a"')
bad("more than 16 classes",
    ('{"pattern":"%s"}'):format(("\\\\pL"):rep(17)), '"a"')
bad("longer than 1024 bytes",
    ('{"pattern":"%s"}'):format(("a"):rep(1025)), '"a"')
bad("too long", '{"pattern":"a$"}', '"' .. ("a"):rep(70000) .. '"')
bad("too long", '{"pattern":"^(a?){500}$"}', '"' .. ("a"):rep(60000) .. '"')
-- "not" does not make good what cannot be found out
bad("bad regular", '{"not":{"pattern":"("}}', '"a"')
bad("bad regular", '{"anyOf":[{"pattern":"("},true]}', '"a"')
bad("bad regular", '{"if":{"pattern":"("}}', '"a"')
bad("bad regular", '{"contains":{"pattern":"("},"minContains":0}', '["a"]')
fails(errors.INVALID, false, "UTF-8", json.validate({pattern = "a"}, "\xFFa"))

-- More patterns than are remembered, again and again
for _ = 1, 2 do
  for i = 1, 12 do
    local schema = ('{"pattern":"^x{%d}$"}'):format(i)
    good(schema, '"' .. ("x"):rep(i) .. '"')
    bad("does not match", schema, '"' .. ("x"):rep(i + 1) .. '"')
  end
end

-- Objects
local by_name = '{"properties":{"id":{"type":"integer"}},' ..
  '"patternProperties":{"^s_":{"type":"string"},"_n$":{"minLength":2}},' ..
  '"additionalProperties":false}'
good(by_name, "{}", '{"id":1,"s_a":"x"}', '{"s_n":"xy"}', '{"a_n":5}')
bad("$.s_a: expected string", by_name, '{"s_a":1}')
bad("$.s_n", by_name, '{"s_n":"x"}')
bad("unexpected property 'other'", by_name, '{"other":1}')
good('{"patternProperties":{"a":{"type":"string"}}}', '{"b":1,"a":"x"}')
bad("$.ba", '{"patternProperties":{"a":{"type":"string"}}}', '{"ba":1}')
good('{"propertyNames":{"maxLength":3}}', '{"abc":1}', "{}", "[1]")
bad("$.abcd", '{"propertyNames":{"maxLength":3}}', '{"abcd":1}')
local card = '{"dependentRequired":{"card":["name","zip"]}}'
good(card, "{}", '{"name":1}', '{"card":1,"name":1,"zip":1}')
bad("missing property 'zip'", card, '{"card":1,"name":1}')
local deps = '{"dependentSchemas":{"a":{"required":["b"]},"c":false}}'
good(deps, "{}", '{"b":1}', '{"a":1,"b":1}')
bad("'b'", deps, '{"a":1}')
bad("no value", deps, '{"c":1}')

-- Arrays
good('{"contains":{"type":"string"}}', '["x"]', '[1,"x"]', "5")
bad("at least 1 elements that match 'contains', got 0",
    '{"contains":{"type":"string"}}', "[1]", "[]")
local few = '{"contains":{"minimum":5},"minContains":2,"maxContains":3}'
good(few, "[5,6]", "[1,5,6,7]")
bad("at least 2", few, "[5]")
bad("at most 3", few, "[5,6,7,8]")
good('{"contains":false,"minContains":0}', "[]", "[1]")

-- Conditions
local shape = '{"if":{"properties":{"k":{"const":"a"}},"required":["k"]},' ..
  '"then":{"required":["x"]},"else":{"required":["y"]}}'
good(shape, '{"k":"a","x":1}', '{"k":"b","y":1}', '{"y":1}')
bad("'x'", shape, '{"k":"a","y":1}')
bad("'y'", shape, '{"k":"b","x":1}')
good('{"then":false,"else":false}', "1")
good('{"if":true}', "1")

-- References
local tree = '{"$ref":"#/$defs/node","$defs":{"node":{"type":"object",' ..
  '"properties":{"value":{"type":"integer"},"next":{"$ref":"#/$defs/node"}},' ..
  '"required":["value"]}}}'
good(tree, '{"value":1}', '{"value":1,"next":{"value":2}}')
bad("$.next.next: missing property 'value'", tree,
    '{"value":1,"next":{"value":2,"next":{}}}')
good('{"properties":{"a":{"$ref":"#"}},"maxProperties":1}',
     '{"a":{"a":{"a":1}}}')
bad("$.a: expected at most 1", '{"properties":{"a":{"$ref":"#"}},"maxProperties":1}',
    '{"a":{"a":1,"b":2}}')
good('{"$ref":"#/$defs/a~1b~0c%25","$defs":{"a/b~c%":true}}', "1")
good('{"$ref":"#/prefixItems/1","prefixItems":[false,true]}', "1")
good('{"items":{"$ref":"#word"},"$defs":{"x":{"$anchor":"word",' ..
     '"type":"string"}}}', '["a"]')
bad("$[1]", '{"items":{"$ref":"#word"},"$defs":{"x":{"$anchor":"word",' ..
    '"type":"string"}}}', "[1]")
good('{"$id":"http://x/y","$ref":"http://x/y#/$defs/a","$defs":{"a":true}}',
     "1")
good('{"definitions":{"a":true},"$ref":"#/definitions/a"}', "1")
-- beside other words
bad("at least 5", '{"$ref":"#/$defs/a","minimum":5,"$defs":{"a":true}}', "1")
for _, ref in ipairs {
  "#/nothing", "#nothing", "#/$defs/a/b", "#/$defs/~2", "#/$defs/%zz",
  "#/allOf/x", "#/allOf/", "#/allOf/01", "#/allOf/1",
  "#/allOf/99999999999999999999",
} do
  bad("there is no such schema",
      ('{"$ref":"%s","$defs":{"a":true},"allOf":[true]}'):format(ref), "1")
end
bad("expected a schema", '{"$ref":"#/$defs"  ,"$defs":{"a":1}}', "1")
bad("expected a schema", '{"$ref":"#/const","const":5}', "5")
bad("not supported", '{"$ref":"other.json"}', "1")
bad("two schemas", '{"$anchor":"a","items":{"$anchor":"a"}}', "1")
bad("round", '{"$ref":"#"}', "1")
bad("round", '{"not":{"$ref":"#"}}', "1")
bad("round", '{"anyOf":[{"$ref":"#"},true]}', "1")
bad("512 bytes", ('{"$ref":"#/%s"}'):format(("a"):rep(600)), "1")
local long = {}
for i = 1, 100 do
  long[i] = ('"d%d":{"$ref":"#/$defs/d%d"}'):format(i, i + 1)
end
long = '{"$ref":"#/$defs/d1","$defs":{' .. table.concat(long, ",") ..
  ',"d101":{"type":"integer"}}}'
good(long, "1")
bad("expected integer", long, '"x"')
-- a value as deep as JSON can be, by a schema that goes round
local deep = ("["):rep(120) .. ("]"):rep(120)
good('{"items":{"$ref":"#"},"type":"array"}', deep)

-- Formats
for name, cases in pairs {
  ["date"] = {{"2024-02-29", "0001-01-01"},
    {"2023-02-29", "2024-13-01", "2024-1-01", "24-01-01", "2024-01-01Z", ""}},
  ["time"] = {{"12:00:00Z", "23:59:60Z", "00:29:60+00:30", "12:00:00.5-08:00"},
    {"12:00:00", "24:00:00Z", "12:60:00Z", "12:00:60Z", "12:00Z",
     "12:00:00.Z", "12:00:00+0800", "12:00:00+24:00"}},
  ["date-time"] = {{"2024-01-01T00:00:00Z", "2024-01-01t00:00:00.123z"},
    {"2024-01-01 00:00:00Z", "2024-01-01T00:00:00", "2024-01-01",
     "2024-02-30T00:00:00Z"}},
  ["duration"] = {{"P1Y2M3DT4H5M6S", "PT0S", "P4W", "P1D", "PT1H2M"},
    {"P", "PT", "P1", "1D", "P1D2M", "P1Y3D", "P1W2D", "PT1D", "P-1D", "P1S"}},
  ["email"] = {{"a@b.example", "a.b+c@localhost", '\\"a b\\"@x.y',
     "a@[127.0.0.1]", "a@[IPv6:::1]"},
    {"a", "@b", "a@", "a..b@c", ".a@b", "a.@b", "a@b@c", "a b@c",
     "a@[300.0.0.1]", '\\"a@b', "a@-b"}},
  ["hostname"] = {{"localhost", "a-b.example", "1.example"},
    {"", ".", "a.", "-a", "a-", "a..b", "a_b", "a b", ("a"):rep(64),
     ("a."):rep(127) .. "b"}},
  ["ipv4"] = {{"127.0.0.1"}, {"127.0.0.1.1", "256.0.0.1", "01.0.0.1", "::1"}},
  ["ipv6"] = {{"::1", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4"},
    {"1::2::3", "12345::", "::1%eth0", "[::1]"}},
  ["uuid"] = {{"2eb8aa08-aa98-11ea-b4aa-73b441d16380",
     "2EB8AA08-AA98-11EA-B4AA-73B441D16380"},
    {"2eb8aa08aa9811eab4aa73b441d16380",
     "2eb8aa08-aa98-11ea-b4aa-73b441d1638",
     "2eb8aa08-aa98-11ea-b4aa-73b441d1638g"}},
  ["uri"] = {{"http://a", "urn:x:y", "http://u:p@[::1]:80/a?b#c",
     "mailto:a@b", "file:///x", "http://[v1.a:b]/"},
    {"//a/b", "a", "http://a b", "http://[x]/", "http://a:b/", "http://%zz",
     "http://a/{b}", "1http://a", "http://a#b#c", "http://[v.x]"}},
  ["uri-reference"] = {{"", "/a", "a/b", "../x", "?q", "#f", "//h/p"},
    {"a b", "1:b", "[", "\\\\a"}},
  ["json-pointer"] = {{"", "/", "/a~0b/~1"}, {"a", "/~", "/~2"}},
  ["relative-json-pointer"] = {{"0", "1/a", "12#"}, {"", "01", "-1", "1#/"}},
  ["regex"] = {{"a+", "", "^[a-z]$"}, {"(", "a**", "[z-a]", ("a"):rep(2000)}},
} do
  local schema = ('{"format":"%s"}'):format(name)
  for i, texts in ipairs(cases) do
    for _, text in ipairs(texts) do
      (i == 1 and good or function(...)
        bad(name, ...)
      end)(schema, '"' .. text .. '"')
    end
  end
  good(schema, "1", "null", "{}")
end
bad("uri", '{"format":"uri"}', '"http:' .. ("a"):rep(70000) .. '"')
good('{"format":"credit-card"}', '"whatever"')

-- Ill-formed
for _, s in ipairs {
  '{"multipleOf":0}', '{"multipleOf":-1}', '{"multipleOf":"1"}',
  '{"pattern":1}', '{"format":1}', '{"patternProperties":[1]}',
  '{"patternProperties":{"a":1}}', '{"propertyNames":1}', '{"contains":1}',
  '{"minContains":-1}', '{"maxContains":0.5}', '{"if":1}', '{"then":1}',
  '{"else":"x"}', '{"dependentRequired":[1]}',
  '{"dependentRequired":{"a":"b"}}', '{"dependentRequired":{"a":[1]}}',
  '{"dependentSchemas":{"a":1}}', '{"$ref":1}', '{"$anchor":1}',
  '{"$anchor":""}', '{"$id":1}', '{"$defs":{"a":1}}', '{"$defs":[1]}',
} do
  fails(errors.INVALID, false, "schema", json.validate_string(s, "1"))
end

-- One table in several places, and one that refers to itself
local text = {type = "string", pattern = "^a"}
eq(json.validate({properties = {a = text, b = text}}, {a = "a", b = "ab"}),
   true)
fails(errors.INVALID, false, "$.b",
      json.validate({properties = {a = text, b = text}}, {a = "a", b = "b"}))

check.done()

-- errors.lua - error objects: making, reading, wrapping, throwing.
local check = require "check"
local eq, ok, has, raises = check.eq, check.ok, check.has, check.raises

-- The global and the module are one, and read-only.
eq(require "errors", errors)
raises(nil, function() errors.INVALID = "x" end)
raises(nil, function() errors.new = nil end)

-- Constants
for name, kind in pairs {
  UNKNOWN = "", INVALID = "Invalid", NOT_FOUND = "NotFound",
  ALREADY_EXISTS = "AlreadyExists", PERMISSION_DENIED = "PermissionDenied",
  UNAVAILABLE = "Unavailable", INTERNAL = "Internal", CANCELED = "Canceled",
  CONFLICT = "Conflict", TIMEOUT = "Timeout", RATE_LIMITED = "RateLimited",
} do
  eq(errors[name], kind, name)
end

-- errors.new from a string
local e = errors.new("simple")
eq(type(e), "userdata")
eq(e:message(), "simple")
eq(e:kind(), errors.UNKNOWN)
eq(e:retryable(), nil)
eq(e:details(), nil)
eq(tostring(e), "simple")
eq(errors.new(12):message(), "12")
eq(errors.new(""):message(), "")
eq(errors.new("a\0b"):message(), "a\0b")
local long = ("x"):rep(100000)
eq(errors.new(long):message(), long)
eq(tostring(errors.wrap(errors.new(long), "c")), "c: " .. long)

-- errors.new from a table
e = errors.new {
  message = "not found", kind = errors.NOT_FOUND, retryable = false,
  details = {resource = "user", id = 123, deep = {a = {b = 1}}, [1] = "x"},
}
eq(e:message(), "not found")
eq(e:kind(), "NotFound")
eq(e:retryable(), false)
eq(e:details().resource, "user")
eq(e:details().id, 123)
eq(e:details().deep.a.b, 1)
eq(e:details()[1], "x")
eq(errors.new{message = "m", retryable = true}:retryable(), true)
eq(errors.new{message = "m"}:retryable(), nil)
eq(errors.new{message = "m"}:kind(), "")
eq(errors.new{message = "m", kind = "Mine"}:kind(), "Mine")
eq(errors.new{message = 5}:message(), "5")
eq(errors.new{message = "m", details = {}}:details(), nil)

-- Wrong arguments raise.
raises("message", errors.new, {})
raises("message", errors.new, {kind = errors.INVALID})
raises("message", errors.new, {message = {}})
raises("message", errors.new, {message = true})
raises("kind", errors.new, {message = "m", kind = 5})
raises("kind", errors.new, {message = "m", kind = false})
raises("retryable", errors.new, {message = "m", retryable = "yes"})
raises("details", errors.new, {message = "m", details = "d"})
raises("string", errors.new)
raises("string", errors.new, nil)
raises("string", errors.new, true)
raises(nil, errors.new, print)

-- The table is read by raw access.
raises("message", errors.new, setmetatable({}, {__index = {message = "m"}}))

-- Details are copied in and out; errors are immutable.
local src = {list = {1, 2}, flag = true}
e = errors.new {message = "m", details = src}
src.list[1] = 99
src.flag = nil
eq(e:details().list[1], 1)
eq(e:details().flag, true)
e:details().list[1] = 77
eq(e:details().list[1], 1)
ok(e:details() ~= e:details())
raises(nil, function() e.kind = "x" end)
raises(nil, function() e.message = nil end)
eq(getmetatable(e), false)
raises(nil, setmetatable, e, {})

-- Details: depth, cycles, sharing, keys, opaque values.
local function nest(n)
  local t = {leaf = true}
  for _ = 2, n do
    t = {t}
  end
  return t
end
ok(errors.new {message = "m", details = nest(64)}:details())
raises("deeper", errors.new, {message = "m", details = nest(65)})
local cycle = {}
cycle.me = cycle
raises("themselves", errors.new, {message = "m", details = cycle})
local a, b = {}, {}
a.b, b.a = b, a
raises("themselves", errors.new, {message = "m", details = a})
local dag = {1}
for _ = 1, 60 do
  dag = {dag, dag} -- 2^60 paths
end
local out = errors.new {message = "m", details = dag}:details()
eq(out[1], out[2])
raises("key", errors.new, {message = "m", details = {[{}] = 1}})
raises("key", errors.new, {message = "m", details = {[print] = 1}})
e = errors.new {message = "m", details = {
  [1.5] = "f", [true] = "t", f = print, e = errors.new("in"),
}}
eq(e:details()[1.5], "f")
eq(e:details()[true], "t")
eq(e:details().f, print)
eq(e:details().e:message(), "in")
local calls = 0
local trap = setmetatable({x = 1}, {
  __index = function() calls = calls + 1 end,
  __pairs = function() calls = calls + 1 return next, {}, nil end,
  __len = function() calls = calls + 1 return 7 end,
})
e = errors.new {message = "m", details = {t = trap}}
eq(e:details().t.x, 1)
eq(getmetatable(e:details().t), nil)
eq(calls, 0)
local big = {}
for i = 1, 5000 do
  big[i] = i
end
eq(#errors.new{message = "m", details = big}:details(), 5000)

-- errors.wrap
local inner = errors.new {
  message = "inner", kind = errors.INVALID, retryable = true,
  details = {code = 42},
}
local outer = errors.wrap(inner, "outer")
eq(outer:kind(), errors.INVALID)
eq(outer:retryable(), true)
eq(outer:message(), "inner")
eq(outer:details().code, 42)
eq(tostring(outer), "outer: inner")
eq(tostring(inner), "inner")
local twice = errors.wrap(outer, "most")
eq(tostring(twice), "most: outer: inner")
eq(twice:message(), "inner")
eq(tostring(errors.wrap(inner, "")), "inner")
ok(outer ~= inner)
local plain = errors.wrap("text", "context")
eq(plain:message(), "text")
eq(plain:kind(), "")
eq(plain:retryable(), nil)
eq(plain:details(), nil)
eq(tostring(plain), "context: text")
eq(errors.wrap(7, "context"):message(), "7")
raises("string", errors.wrap, nil, "c")
raises("string", errors.wrap, {}, "c")
raises("string", errors.wrap, print, "c")
raises("string", errors.wrap, inner)
raises("string", errors.wrap, inner, {})

-- errors.is
local timeout = errors.new {message = "t", kind = errors.TIMEOUT}
eq(errors.is(timeout, errors.TIMEOUT), true)
eq(errors.is(timeout, errors.NOT_FOUND), false)
eq(errors.is(errors.wrap(timeout, "c"), errors.TIMEOUT), true)
eq(errors.is(errors.new("m"), errors.UNKNOWN), true)
for _, other in ipairs {"text", 5, true, {}, print, coroutine.create(print)} do
  eq(errors.is(other, errors.UNKNOWN), false)
  eq(errors.is(other, errors.TIMEOUT), false)
end
eq(errors.is(nil, errors.TIMEOUT), false)
raises(nil, errors.is)
raises("string", errors.is, timeout)
raises("string", errors.is, timeout, 5)

-- tostring and ..
local x, y = errors.new("one"), errors.wrap("two", "ctx")
eq("pre: " .. x, "pre: one")
eq(x .. " post", "one post")
eq(x .. y, "onectx: two")
eq(y .. 5, "ctx: two5")
eq(1.5 .. x, "1.5one")
eq("a" .. x .. "b" .. y .. "c", "aonebctx: twoc")
raises("concatenate a nil", function() return x .. nil end)
raises("concatenate a table", function() return {} .. x end)
raises("concatenate a boolean", function() return x .. true end)

-- Identity
eq(x == x, true)
eq(errors.new("one") == errors.new("one"), false)
local set = {[x] = "here"}
eq(set[x], "here")

-- Throwing
local done, caught = pcall(error, x)
eq(done, false)
eq(caught, x)
done, caught = pcall(function() error(y, 2) end)
eq(caught, y)
eq(select(2, xpcall(error, function(m) return m end, x)), x)
local co = coroutine.create(function() error(x) end)
eq(select(2, coroutine.resume(co)), x)

-- Stacks
local function make()
  return (errors.new("stack"))
end
local function call()
  local err = make()
  return err
end
local err = call()
local stack = err:stack()
eq(type(stack), "string")
has(stack, "stack traceback:")
has(stack, "errors.lua:")
has(stack, "'make'")
has(stack, "'call'")
local cs = errors.call_stack(err)
eq(type(cs.thread), "string")
ok(#cs.frames >= 3)
eq(cs.frames[1].name, "make")
eq(cs.frames[2].name, "call")
eq(math.type(cs.frames[1].line), "integer")
has(cs.frames[1].source, "errors.lua")
ok(cs.frames[1].line < cs.frames[2].line)
cs.frames[1].name = "changed"
eq(errors.call_stack(err).frames[1].name, "make")
eq(errors.call_stack(errors.wrap(err, "c")).frames[1].name, "make")
eq(errors.call_stack("text"), nil)
eq(errors.call_stack(nil), nil)
eq(errors.call_stack({}), nil)
raises(nil, errors.call_stack)
local function deep(n)
  if n == 0 then
    return (errors.new("deep"))
  end
  return (deep(n - 1))
end
eq(#errors.call_stack(deep(100)).frames, 32)
local in_co = coroutine.wrap(function() return (errors.new("co")) end)()
eq(errors.call_stack(in_co).thread, "coroutine")
ok(#errors.call_stack(in_co).frames >= 1)
eq(cs.thread, "main")
local from_task = channel.new(1)
coroutine.spawn(function()
  from_task:send((errors.new("task")))
end)
eq(errors.call_stack(from_task:receive()).thread, "task")

-- Methods want an error object.
for _, name in ipairs {"kind", "message", "retryable", "details", "stack"} do
  local method = x[name]
  eq(type(method), "function")
  raises(nil, method)
  raises(nil, method, {})
  raises(nil, method, "text")
end
eq(x.nothing, nil)

check.done()

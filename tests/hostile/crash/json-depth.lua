-- json-depth.lua - nesting and recursion end in an error object.
-- status: 0
-- stdout: done
local json = require "json"
local v, err = json.decode(("["):rep(100000))
assert(v == nil and err:kind() == errors.INTERNAL)
v, err = json.decode(("["):rep(129) .. ("]"):rep(129))
assert(v == nil and err)
assert(json.decode(("["):rep(128) .. ("]"):rep(128)))
local t = {}
t.t = t
v, err = json.encode(t)
assert(v == nil and err)
print "done"

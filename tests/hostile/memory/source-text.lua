-- source-text.lua - a module that is too long does not load.
-- status: 0
-- args: --cpu 5s --memory 16MiB
-- stdout: fine
assert(not pcall(require, ("m"):rep(300)))
assert(not pcall(require, ("a."):rep(90) .. "b"))
print "fine"

-- debug-names.lua - names that other sandboxes have leaked by.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: contained
for _, name in ipairs {"load", "loadstring", "loadfile", "dofile", "module",
    "setfenv", "getfenv", "newproxy", "collectgarbage", "debug", "package", "io",
    "jit", "ffi", "bit", "bit32", "redis", "cjson", "cmsgpack", "struct", "ngx",
    "mw", "component", "computer", "vim", "core", "LOADED", "_LOADED",
    "_PRELOAD", "__index", "process", "host", "sandbox", "cordon"} do
  assert(_G[name] == nil, name)
end
for _, name in ipairs {"exit", "execute", "getenv", "remove", "rename",
    "tmpname", "setlocale"} do
  assert(os[name] == nil, name)
end
assert(coroutine.kill == nil and table.foreach == nil and string.gfind == nil)
print "contained"

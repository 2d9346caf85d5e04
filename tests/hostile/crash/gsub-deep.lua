-- gsub-deep.lua - gsub in gsub as deep as it goes, with a match state on
-- C's stack each time.
-- status: 0
-- args: --cpu 5s --memory 64MiB
-- stdout: fine
local function deeper()
  return (("x"):gsub("(.)()(.?)", deeper))
end
local ok, err = pcall(deeper)
assert(not ok and tostring(err):find("overflow"))
local function sorted() table.sort({1, 2, 3}, function() sorted() end) end
assert(not pcall(sorted))
local m = setmetatable({}, {})
getmetatable(m).__tostring = function() return ("%s"):format(m) end
assert(not pcall(tostring, m))
getmetatable(m).__index = function(t, k) return table.concat(t, ",", 1, k) end
assert(not pcall(table.concat, m, ",", 1, 3))
print "fine"

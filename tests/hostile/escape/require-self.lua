-- require-self.lua - a script that requires itself runs once more at most.
-- status: 0 1
-- args: --cpu 1s --memory 16MiB
-- stderr: 
local ok, err = pcall(require, "require-self")
assert(ok or tostring(err):find("loop") or tostring(err):find("not found"), err)

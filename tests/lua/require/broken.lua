-- broken.lua - no Lua text.
return return

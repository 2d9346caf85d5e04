-- error-nil.lua - nil can be raised.
-- status: 1
-- stderr: nil
error(nil)

---@meta json

---JSON to values and back, and JSON Schema.
---@class json
---@field null userdata stands for null where `json.decode` was asked for it
local json = {}

---@class json.DecodeOptions
---@field null? any what null within arrays and objects becomes; nil by default

---The text of a value.  Tables with keys 1..n are arrays, with string keys
---objects (keys sorted); an empty table is `[]`, or `{}` if it came from one.
---@param value any
---@return string|nil text
---@return errors.Error|nil err
---@nodiscard
function json.encode(value) end

---The value of a text (RFC 8259).  The error has line and column.
---@param text string
---@param options? json.DecodeOptions
---@return any value
---@return errors.Error|nil err
---@nodiscard
function json.decode(text, options) end

---Does a value match a schema (JSON Schema 2020-12)?  `pattern` is in RE2's
---syntax, `$ref` stays within the schema, and a keyword that is not known is an
---error.
---@param schema table|string|boolean
---@param value any
---@return boolean valid
---@return errors.Error|nil err says where and what does not match
function json.validate(schema, value) end

---Does the value of a JSON text match a schema?
---@param schema table|string|boolean
---@param text string
---@return boolean valid
---@return errors.Error|nil err says where and what does not match
function json.validate_string(schema, text) end

return json

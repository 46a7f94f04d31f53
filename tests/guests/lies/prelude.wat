;; What every lie has in common: a memory, a description that is sound, an `open` and a `close` that do nothing, and room
;; for answers at 2048. A lie brings its own `collect`, and may bring another `open` or `realloc`.
;;
;; A description at 1024: name, version, summary (pointer and length each), no permissions, the schema, no interval.
(memory (export "memory") 2)
(data (i32.const 16) "lie")
(data (i32.const 32) "1.0.0")
(data (i32.const 48) "Lies about what it hands over")
(data (i32.const 96) "{}")
(data (i32.const 1024)
  "\10\00\00\00\03\00\00\00" "\20\00\00\00\05\00\00\00" "\30\00\00\00\1d\00\00\00"
  "\00\00\00\00\00\00\00\00" "\60\00\00\00\02\00\00\00" "\00\00\00\00\00\00\00\00")
(func (export "saker:plugin/collector@0.1.0#describe") (result i32) (i32.const 1024))
(func (export "saker:plugin/collector@0.1.0#close"))

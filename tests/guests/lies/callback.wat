;; Calls a function of its table that has another type.
(func (export "saker:plugin/collector@0.1.0#open") (param i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 0)) ;; ok
  (i32.const 2048))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
(table 1 funcref)
(type $none (func))
(elem (i32.const 0) $other)
(func $other (param i64))
(func (export "saker:plugin/collector@0.1.0#collect") (param i64 i32) (result i32)
  (call_indirect (type $none) (i32.const 0))
  (i32.const 2048))

;; Gives its metric a name that is no UTF-8.
(func (export "saker:plugin/collector@0.1.0#open") (param i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 0)) ;; ok
  (i32.const 2048))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
(data (i32.const 128) "\ff\fe\c0")
(func (export "saker:plugin/collector@0.1.0#collect") (param i64 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 0)) ;; ok
  (i32.store8 (i32.const 2052) (i32.const 0)) ;; records
  (i32.store (i32.const 2056) (i32.const 8192))
  (i32.store (i32.const 2060) (i32.const 1))
  (i32.store (i32.const 8204) (i32.const 128)) ;; the metric's name
  (i32.store (i32.const 8208) (i32.const 3))
  (i32.const 2048))

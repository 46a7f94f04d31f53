;; Says that its columns have four billion values, and that they lie at the same place as everything else.
(func (export "saker:plugin/collector@0.1.0#open") (param i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 0)) ;; ok
  (i32.const 2048))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
(func (export "saker:plugin/collector@0.1.0#collect") (param i64 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 0)) ;; ok
  (i32.store8 (i32.const 2052) (i32.const 1)) ;; columns
  (i32.store (i32.const 2072) (i32.const 8192)) ;; the handles
  (i32.store (i32.const 2076) (i32.const 1))
  (i32.store (i32.const 2088) (i32.const 8192)) ;; the values, after no timestamps
  (i32.store (i32.const 2092) (i32.const -1))
  (i32.const 2048))

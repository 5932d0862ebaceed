;; The walk of feature-answer.ts over the rows of a retrieve.Result, for answers as every encoder writes them. Whatever else it meets
;; (another field, a key behind a column, a length of more than 28 bits or bytes, a message cut short) makes it return -1, and the walk in
;; TypeScript, which knows all of it, begins anew.
;;
;; Words of the parameters at address 0:
;;   0 start      first byte of the rows in this memory        36 slots per row
;;   4 end        behind the last byte                         40 keys: two words a row
;;   8 columns    entries of 20 bytes, see walk-spec.ts       44 odd cells: four words each
;;  12 column count                                            48 room for so many odd cells
;;  16 absent     entries of 12 bytes: slot, offset, width     52 most rows
;;  20 absent count                                            56 what to add to an address to get a position in the message
;;  24 rows       decoded rows                                 60 status: present
;;  28 stride                                                  64 status: missing
;;  32 status     a byte per cell, row-major                   68 status: failed
;; Results: 72 cells without a value, 76 odd cells.
(module
  (memory (export "memory") 2)
  ;; Behind the length that was read last.
  (global $at (mut i32) (i32.const 0))

  ;; A length whose first byte is at $p, at most 4 bytes; -1 if it is longer, cut short or spelt with more bytes than it takes.
  (func $length (param $p i32) (param $end i32) (result i32)
    (local $byte i32) (local $value i32) (local $shift i32)
    (loop $next
      (if (i32.or (i32.ge_u (local.get $p) (local.get $end)) (i32.gt_u (local.get $shift) (i32.const 21)))
        (then (return (i32.const -1))))
      (local.set $byte (i32.load8_u (local.get $p)))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (local.set $value (i32.or (local.get $value) (i32.shl (i32.and (local.get $byte) (i32.const 127)) (local.get $shift))))
      (local.set $shift (i32.add (local.get $shift) (i32.const 7)))
      (br_if $next (i32.and (local.get $byte) (i32.const 128))))
    ;; More bytes than the length takes: a key would not be found by its bytes.
    (if (i32.and (i32.eqz (local.get $byte)) (i32.gt_u (local.get $shift) (i32.const 7))) (then (return (i32.const -1))))
    (global.set $at (local.get $p))
    (local.get $value))

  (func (export "walk") (result i32)
    (local $p i32) (local $end i32) (local $columns i32) (local $columnsEnd i32) (local $rows i32) (local $stride i32)
    (local $status i32) (local $slots i32) (local $keys i32) (local $row i32) (local $rowEnd i32) (local $column i32)
    (local $length i32) (local $to i32) (local $copyEnd i32) (local $kind i32) (local $mark i32) (local $width i32)
    (local $without i32) (local $odd i32) (local $absent i32) (local $absentEnd i32) (local $limit i32) (local $delta i32)
    (local.set $p (i32.load (i32.const 0)))
    (local.set $end (i32.load (i32.const 4)))
    (local.set $columns (i32.load (i32.const 8)))
    (local.set $columnsEnd (i32.add (local.get $columns) (i32.mul (i32.load (i32.const 12)) (i32.const 20))))
    (local.set $absentEnd (i32.add (i32.load (i32.const 16)) (i32.mul (i32.load (i32.const 20)) (i32.const 12))))
    ;; $rows and $status move on with every row.
    (local.set $rows (i32.load (i32.const 24)))
    (local.set $stride (i32.load (i32.const 28)))
    (local.set $status (i32.load (i32.const 32)))
    (local.set $slots (i32.load (i32.const 36)))
    (local.set $keys (i32.load (i32.const 40)))
    (local.set $limit (i32.load (i32.const 52)))
    (local.set $delta (i32.load (i32.const 56)))
    (memory.fill (local.get $status) (i32.load (i32.const 60)) (i32.mul (local.get $limit) (local.get $slots)))

    (block $unsure
      (block $done
        (loop $nextRow
          (br_if $done (i32.ge_u (local.get $p) (local.get $end)))
          (br_if $unsure (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x22)))
          (local.set $length (call $length (i32.add (local.get $p) (i32.const 1)) (local.get $end)))
          (br_if $unsure (i32.lt_s (local.get $length) (i32.const 0)))
          (local.set $p (global.get $at))
          (br_if $unsure (i32.gt_u (local.get $length) (i32.sub (local.get $end) (local.get $p))))
          (local.set $rowEnd (i32.add (local.get $p) (local.get $length)))
          (if (i32.eq (local.get $row) (local.get $limit)) (then (return (i32.const -2))))

          ;; Key parts, which stand together.
          (i32.store (local.get $keys) (i32.add (local.get $p) (local.get $delta)))
          (block $keysDone
            (loop $nextKey
              (br_if $keysDone (i32.ge_u (local.get $p) (local.get $rowEnd)))
              (br_if $keysDone (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x0a)))
              (local.set $length (call $length (i32.add (local.get $p) (i32.const 1)) (local.get $rowEnd)))
              (br_if $unsure (i32.lt_s (local.get $length) (i32.const 0)))
              (br_if $unsure (i32.gt_u (local.get $length) (i32.sub (local.get $rowEnd) (global.get $at))))
              (local.set $p (i32.add (global.get $at) (local.get $length)))
              (br $nextKey)))
          (i32.store offset=4 (local.get $keys) (i32.add (local.get $p) (local.get $delta)))
          (local.set $keys (i32.add (local.get $keys) (i32.const 8)))

          (local.set $column (local.get $columns))
          (block $columnsDone
            (loop $nextColumn
              (br_if $columnsDone (i32.ge_u (local.get $p) (local.get $rowEnd)))
              ;; Tag and length as expected: the usual cell.
              (if (i32.lt_u (local.get $column) (local.get $columnsEnd))
                (then
                  (if (i32.eq (i32.load16_u (local.get $p)) (i32.load (local.get $column)))
                    (then
                      (local.set $copyEnd (i32.add (i32.add (local.get $p) (i32.const 2)) (i32.load8_u offset=1 (local.get $p))))
                      (br_if $unsure (i32.gt_u (local.get $copyEnd) (local.get $rowEnd)))
                      (local.set $to (i32.add (local.get $rows) (i32.load offset=8 (local.get $column))))
                      (local.set $p (i32.add (local.get $p) (i32.const 2)))
                      (block $words
                        (loop $next16
                          (br_if $words (i32.gt_u (i32.add (local.get $p) (i32.const 16)) (local.get $copyEnd)))
                          (v128.store align=1 (local.get $to) (v128.load align=1 (local.get $p)))
                          (local.set $p (i32.add (local.get $p) (i32.const 16)))
                          (local.set $to (i32.add (local.get $to) (i32.const 16)))
                          (br $next16)))
                      (block $rest
                        (loop $next4
                          (br_if $rest (i32.gt_u (i32.add (local.get $p) (i32.const 4)) (local.get $copyEnd)))
                          (i32.store align=1 (local.get $to) (i32.load align=1 (local.get $p)))
                          (local.set $p (i32.add (local.get $p) (i32.const 4)))
                          (local.set $to (i32.add (local.get $to) (i32.const 4)))
                          (br $next4)))
                      (block $copied
                        (loop $next1
                          (br_if $copied (i32.ge_u (local.get $p) (local.get $copyEnd)))
                          (i32.store8 (local.get $to) (i32.load8_u (local.get $p)))
                          (local.set $p (i32.add (local.get $p) (i32.const 1)))
                          (local.set $to (i32.add (local.get $to) (i32.const 1)))
                          (br $next1)))
                      (local.set $column (i32.add (local.get $column) (i32.const 20)))
                      (br $nextColumn)))))

              (br_if $unsure (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x12)))
              (local.set $length (call $length (i32.add (local.get $p) (i32.const 1)) (local.get $rowEnd)))
              (br_if $unsure (i32.lt_s (local.get $length) (i32.const 0)))
              (local.set $p (global.get $at))
              (br_if $unsure (i32.gt_u (local.get $length) (i32.sub (local.get $rowEnd) (local.get $p))))
              ;; A column that nobody knows of.
              (if (i32.ge_u (local.get $column) (local.get $columnsEnd))
                (then
                  (local.set $p (i32.add (local.get $p) (local.get $length)))
                  (br $nextColumn)))
              (local.set $kind (i32.load offset=4 (local.get $column)))
              (local.set $width (i32.load offset=12 (local.get $column)))
              (local.set $to (i32.add (local.get $rows) (i32.load offset=8 (local.get $column))))
              (local.set $mark (i32.const 0))
              (if (local.get $kind)
                (then
                  (if (i32.eqz (local.get $length))
                    (then (local.set $mark (i32.load (i32.const 64))))
                    (else
                      (if (i32.eq (local.get $kind) (i32.const 2))
                        (then
                          (i32.store align=1 (local.get $to) (i32.add (local.get $p) (local.get $delta)))
                          (i32.store offset=4 align=1 (local.get $to) (local.get $length)))
                        (else
                          (if (i32.eq (local.get $length) (local.get $width))
                            (then (memory.copy (local.get $to) (local.get $p) (local.get $length)))
                            (else
                              (local.set $mark (i32.load (i32.const 68)))
                              (br_if $unsure (i32.ge_u (local.get $odd) (i32.load (i32.const 48))))
                              (local.set $absent (i32.add (i32.load (i32.const 44)) (i32.shl (local.get $odd) (i32.const 4))))
                              (i32.store (local.get $absent) (local.get $row))
                              (i32.store offset=4 (local.get $absent) (i32.load offset=16 (local.get $column)))
                              (i32.store offset=8 (local.get $absent) (i32.add (local.get $p) (local.get $delta)))
                              (i32.store offset=12 (local.get $absent) (local.get $length))
                              (local.set $odd (i32.add (local.get $odd) (i32.const 1)))))))))
                  (if (local.get $mark)
                    (then
                      (i32.store8 (i32.add (local.get $status) (i32.load offset=16 (local.get $column))) (local.get $mark))
                      (local.set $without (i32.add (local.get $without) (i32.const 1)))
                      (memory.fill (local.get $to) (i32.const 0) (local.get $width))))))
              (local.set $p (i32.add (local.get $p) (local.get $length)))
              (local.set $column (i32.add (local.get $column) (i32.const 20)))
              (br $nextColumn)))

          ;; Columns that did not come.
          (block $allMarked
            (loop $nextLate
              (br_if $allMarked (i32.ge_u (local.get $column) (local.get $columnsEnd)))
              (if (i32.load offset=4 (local.get $column))
                (then
                  (i32.store8 (i32.add (local.get $status) (i32.load offset=16 (local.get $column))) (i32.load (i32.const 68)))
                  (local.set $without (i32.add (local.get $without) (i32.const 1)))
                  (memory.fill
                    (i32.add (local.get $rows) (i32.load offset=8 (local.get $column)))
                    (i32.const 0)
                    (i32.load offset=12 (local.get $column)))))
              (local.set $column (i32.add (local.get $column) (i32.const 20)))
              (br $nextLate)))
          ;; Slots that no column of this answer fills.
          (local.set $absent (i32.load (i32.const 16)))
          (block $noneLeft
            (loop $nextAbsent
              (br_if $noneLeft (i32.ge_u (local.get $absent) (local.get $absentEnd)))
              (i32.store8 (i32.add (local.get $status) (i32.load (local.get $absent))) (i32.load (i32.const 68)))
              (local.set $without (i32.add (local.get $without) (i32.const 1)))
              (memory.fill
                (i32.add (local.get $rows) (i32.load offset=4 (local.get $absent)))
                (i32.const 0)
                (i32.load offset=8 (local.get $absent)))
              (local.set $absent (i32.add (local.get $absent) (i32.const 12)))
              (br $nextAbsent)))

          (local.set $row (i32.add (local.get $row) (i32.const 1)))
          (local.set $rows (i32.add (local.get $rows) (local.get $stride)))
          (local.set $status (i32.add (local.get $status) (local.get $slots)))
          (br $nextRow)))
      (i32.store (i32.const 72) (local.get $without))
      (i32.store (i32.const 76) (local.get $odd))
      (return (local.get $row)))
    (i32.const -1)))

;; SPDX-License-Identifier: MIT
;; Lists, hash tables, strings, continuations, threads, bytevectors from malloc, weak tables.
(use-modules (srfi srfi-1) (ice-9 threads) (ice-9 regex) (rnrs bytevectors))
(define (tree n) (if (= n 0) '() (cons (tree (- n 1)) (tree (- n 1)))))
(define (size t) (if (null? t) 1 (+ (size (car t)) (size (cdr t)))))
(format #t "trees ~a\n" (fold + 0 (map (lambda (i) (size (tree 10))) (iota 20))))
(define table (make-hash-table))
(for-each (lambda (i) (hash-set! table (number->string (modulo (* i 7919) 5003)) i)) (iota 20000))
(format #t "table ~a ~a\n" (hash-count (const #t) table) (hash-fold (lambda (k v s) (+ v s)) 0 table))
(define text (string-join (map number->string (iota 3000)) " "))
(format #t "regexp ~a\n" (length (list-matches "[0-9]*7[0-9]*" text)))
(define big (expt 3 4000))
(format #t "bignum ~a\n" (modulo (* big big) 1000000007))
(format #t "bytes ~a\n"
        (fold + 0 (map (lambda (i) (bytevector-length (make-bytevector (* i 100) 1))) (iota 500))))
(define (generate n) (call/cc (lambda (k) (for-each (lambda (i) (if (= i n) (k i))) (iota 1000)) 0)))
(format #t "continuations ~a\n" (fold + 0 (map generate (iota 500))))
(define results
  (map join-thread
       (map (lambda (n) (call-with-new-thread (lambda () (size (tree (+ 8 n)))))) (iota 4))))
(format #t "threads ~a\n" results)
(gc)
(format #t "after ~a ~a\n" (string-length text) (hash-count (const #t) table))

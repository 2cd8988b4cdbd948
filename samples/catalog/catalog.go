// Package catalog is the products that the fleet sells.
package catalog

import "fmt"

// Products is the size of the catalogue. An order of more than 20 products
// makes the X-Ray SDK stream its subsegments when they are read one by one.
const Products = 24

// SKU is the n-th product, from 0 to Products-1.
func SKU(n int) string { return fmt.Sprintf("sku-%02d", n) }

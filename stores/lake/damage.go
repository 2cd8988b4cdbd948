package lake

import "fmt"

// damaged, deferred, makes an error of what parquet-go panics over. Neither the
// footer of a file nor the headers of its pages have a checksum, and parquet-go
// believes them.
func damaged(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the file is damaged: %v", p)
	}
}

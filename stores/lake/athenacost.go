package lake

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
)

const (
	megabyte = 1 << 20
	terabyte = 1 << 40
	// athenaLeast is what Athena charges a query for at least, in bytes.
	athenaLeast = 10 * megabyte
	// athenaPrice is what Athena charges, in dollars for a terabyte read, in most
	// regions and without reserved capacity.
	athenaPrice = 5.0
)

// Cost is what an answer costs.
type Cost struct {
	Scanned int64 // bytes read
	// Reused says that the answer is an earlier one, which is free.
	Reused bool
	// Dollars at $5 a terabyte, rounded up to whole megabytes and at least ten.
	Dollars float64
}

func (c *Cost) String() string {
	if c.Reused {
		return "an earlier answer, which costs nothing"
	}
	return fmt.Sprintf("%s read, $%.5f at $%g a TB", spellBytes(c.Scanned), c.Dollars, athenaPrice)
}

// cost of a query; one that Athena counts no bytes for, such as SHOW, is free.
func (a *athenaAnswer) cost() *Cost {
	s := a.execution.Statistics
	if s == nil {
		return &Cost{}
	}
	c := &Cost{Scanned: aws.ToInt64(s.DataScannedInBytes)}
	if r := s.ResultReuseInformation; r != nil && r.ReusedPreviousResult {
		c.Reused = true
		return c
	}
	if a.execution.StatementType == types.StatementTypeDml {
		charged := max((c.Scanned+megabyte-1)/megabyte*megabyte, athenaLeast)
		c.Dollars = float64(charged) / terabyte * athenaPrice
	}
	return c
}

// spellBytes spells a number of bytes for people.
func spellBytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < megabyte:
		return fmt.Sprintf("%.1f KB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MB", float64(n)/megabyte)
	case n < terabyte:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.2f TB", float64(n)/terabyte)
}

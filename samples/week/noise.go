package week

// brokenVersion is the one that the fault "bad deployment" deploys.
const brokenVersion = "1.5.0"

type deploy struct {
	at  int64
	run func(at int64)
}

func (w *Week) planDeploys() []deploy { return nil }
func (w *Week) planNoise()            {}
func (w *Week) planIncidents()        {}
func (w *Week) incidents() []string   { return nil }

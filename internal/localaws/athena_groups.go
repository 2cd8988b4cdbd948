package localaws

import (
	"context"
)

// workGroup is a work group as GetWorkGroup shows it.
type workGroup struct {
	Name, State   string
	Description   string `json:",omitempty"`
	CreationTime  timestamp
	Configuration groupConfiguration
}

type groupConfiguration struct {
	ResultConfiguration struct {
		OutputLocation string `json:",omitempty"`
	}
	EnforceWorkGroupConfiguration        bool
	PublishCloudWatchMetricsEnabled      bool
	RequesterPaysEnabled                 bool
	EnableMinimumEncryptionConfiguration bool
	BytesScannedCutoffPerQuery           int64 `json:",omitempty"`
	EngineVersion                        engineVersion
}

type engineVersion struct{ SelectedEngineVersion, EffectiveEngineVersion string }

// primaryGroup is the one that is always there.
const primaryGroup = "primary"

// minCutoff is the least BytesScannedCutoffPerQuery that AWS takes.
const minCutoff = 10_000_000

var athenaVersion = engineVersion{"AUTO", "Athena engine version 3"}

func defaultGroup() groupConfiguration { return groupConfiguration{EngineVersion: athenaVersion} }

func (a *statements) findGroup(name string) (workGroup, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.groups[name]
	if g == nil {
		return workGroup{}, badQuery("INVALID_INPUT", "WorkGroup is not found.")
	}
	return *g, nil
}

func (a *statements) getGroup(_ context.Context, c *call) (any, error) {
	var in struct{ WorkGroup string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	g, err := a.findGroup(in.WorkGroup)
	if err != nil {
		return nil, err
	}
	return map[string]workGroup{"WorkGroup": g}, nil
}

func (a *statements) createGroup(_ context.Context, c *call) (any, error) {
	in := struct {
		Name, Description string
		Configuration     struct {
			groupConfiguration
			// Unset means true here, unlike in the primary work group.
			EnforceWorkGroupConfiguration *bool
		}
	}{}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if !workGroupName.allows(in.Name) {
		return nil, badQuery("INVALID_INPUT", "1 validation error detected: Value at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9._-]{1,128}")
	}
	g := &workGroup{Name: in.Name, State: "ENABLED", Description: in.Description, CreationTime: timestamp{c.Time}, Configuration: in.Configuration.groupConfiguration}
	g.Configuration.EngineVersion = athenaVersion
	g.Configuration.EnforceWorkGroupConfiguration = in.Configuration.EnforceWorkGroupConfiguration == nil || *in.Configuration.EnforceWorkGroupConfiguration
	if cutoff := g.Configuration.BytesScannedCutoffPerQuery; cutoff != 0 && cutoff < minCutoff {
		return nil, badQuery("INVALID_INPUT", "1 validation error detected: Value at 'configuration.bytesScannedCutoffPerQuery' failed to satisfy constraint: Member must have value greater than or equal to %d", minCutoff)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.groups[in.Name] != nil {
		return nil, badQuery("INVALID_INPUT", "WorkGroup %s is already created", in.Name)
	}
	a.groups[in.Name] = g
	return nil, nil
}

package localaws

import "context"

// recorderName is the one that AWS gives a recorder set up in its console.
const recorderName = "default"

func (cs *configStore) describeRecorders(_ context.Context, c *call) (any, error) {
	return map[string]any{"ConfigurationRecorders": []any{map[string]any{
		"arn":     c.arn("configuration-recorder/" + recorderName),
		"name":    recorderName,
		"roleARN": "arn:aws:iam::" + c.Account + ":role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig",
		"recordingGroup": map[string]any{
			"allSupported": true, "includeGlobalResourceTypes": true, "resourceTypes": []string{},
			"recordingStrategy": map[string]any{"useOnly": "ALL_SUPPORTED_RESOURCE_TYPES"},
		},
		"recordingMode":  map[string]any{"recordingFrequency": "CONTINUOUS"},
		"recordingScope": "PAID",
	}}}, nil
}

func (cs *configStore) describeRecorderStatus(_ context.Context, c *call) (any, error) {
	// In capitals, as recorded on AWS; its model spells it otherwise.
	return map[string]any{"ConfigurationRecordersStatus": []any{map[string]any{
		"arn": c.arn("configuration-recorder/" + recorderName), "name": recorderName,
		"recording": true, "lastStatus": "SUCCESS", "lastStartTime": timestamp{cs.started}, "lastStatusChangeTime": timestamp{cs.started},
	}}}, nil
}

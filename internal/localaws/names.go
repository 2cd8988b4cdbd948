package localaws

import (
	"regexp"
	"unicode/utf8"
)

// namePattern is what AWS allows for the names of something: so many characters
// of some. They are counted apart, since an expression that counts to 256 takes
// milliseconds and megabytes to compile, whatever muster is started for.
type namePattern struct {
	least, most int
	characters  *regexp.Regexp
}

// allows reports whether a name is one.
func (p namePattern) allows(name string) bool {
	n := utf8.RuneCountInString(name)
	return p.least <= n && n <= p.most && p.characters.MatchString(name)
}

// What AWS allows. Topics and queues are standard ones, sessions those of roles.
var (
	workGroupName      = namePattern{1, 128, regexp.MustCompile(`^[a-zA-Z0-9._-]*$`)}
	aggregatorName     = namePattern{1, 256, regexp.MustCompile(`^[\w-]*$`)}
	packName           = namePattern{1, 256, regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9]*$`)}
	tableName          = namePattern{3, 255, regexp.MustCompile(`^[\w.-]*$`)}
	eventRuleName      = namePattern{1, 64, regexp.MustCompile(`^[\w.-]*$`)}
	deliveryStreamName = namePattern{1, 64, regexp.MustCompile(`^[a-zA-Z0-9_.-]*$`)}
	dataStreamName     = namePattern{1, 128, regexp.MustCompile(`^[a-zA-Z0-9_.-]*$`)}
	topicName          = namePattern{1, 256, regexp.MustCompile(`^[\w-]*$`)}
	queueName          = namePattern{1, 80, regexp.MustCompile(`^[\w-]*$`)}
	statesName         = namePattern{1, 80, regexp.MustCompile(`^[^\s?*<>{}\[\]"#%\\^|~` + "`" + `$&,;:/\x00-\x1f\x7f-\x9f]*$`)}
	sessionName        = namePattern{2, 64, regexp.MustCompile(`^[\w+=,.@-]*$`)}
	segmentName        = namePattern{1, 200, regexp.MustCompile(`^[\pL\pN\pZ_.:/%&#=+\\\-@,]*$`)}
)

package e2e

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/test/turn"
)

// without names the scenarios that have no meaning on the sandbox, with the reason. They do not run there at all.
var without = map[string]string{
	"TestContainersDoWhatTheManifestSays": "there are no containers to look into, no ports that answer and no registry that wants credentials",
	"TestEnginesAndRegistriesThatGoAway":  "there is no registry that could go away, and no process of an engine that could crash or hang",
}

// within names the scenarios that real engines cannot show, with the reason. They run only on the sandbox.
var within = map[string]string{
	"TestPairsOfRevisions":                               "dockerd tells nobody of each transaction of the swarm's store, and what is between two lists is not seen",
	"TestNoLeafOfFreeTextAppearsInAnyOutput":             "drivers refuse options that they do not know",
	"TestServicesOfOtherToolsAreTakenOverAndEdited":      "the same, and some fields are newer than a dockerd may be",
	"TestTheLifeOfAClusterVolume":                        "no dockerd here has a CSI plugin",
	"TestEveryFieldOfAClusterVolumeIsInSync":             "the same",
	"TestWhereVolumesCannotBeListedEverythingElseGoesOn": "a dockerd may be older than cluster volumes, and then it is not asked for any",
	"TestASecretStaysForTheVolumeOfAnotherSource":        "the same",
	"TestWhatKeepsItsLabelsMovesToAnotherSource":         "the same",
}

// seldom names the scenarios that only -full runs, with the reason.
var seldom = map[string]string{
	"TestTheOperatorWorksBehindHAProxy": "it needs haproxy, and each rule is tested without it, too",
}

// everyTime names the scenarios that each run takes on the sandbox, with what would be at stake. Of the others, make test
// leaves half to the next commit.
var everyTime = map[string]string{
	"TestDemoIsAppliedOnceAndThenNothingIsWritten":   "the main job",
	"TestEveryFieldIsInSyncAfterOneWrite":            "writes without a difference",
	"TestPairsOfRevisions":                           "outages",
	"TestABrokenReadRemovesNothing":                  "removals by mistake",
	"TestRemovalsBeyondTheBudgetWaitForConsent":      "removals by mistake",
	"TestAnApplyThatIsKilledAtAnyCallConvergesLater": "what a kill leaves",
	"TestWhateverFailsForEver":                       "operators that block each other",
	"TestActorsActOneAtATimeWhateverHappensToThem":   "two that act at once",
	"TestWithoutQuorumNothingIsWritten":              "the quorum",
	"TestTheNumberOfManagersFollowsGit":              "the quorum",
	"TestSecretsAppearInNoOutput":                    "secrets",
	"TestNoLeafOfFreeTextAppearsInAnyOutput":         "secrets",
	"TestTokensAndTheUnlockKeyAppearInNoOutput":      "secrets",
	"TestANodeThatLiesGetsNoRole":                    "who becomes a manager",
	"TestABranchAgreesToNothing":                     "consent",
	"TestTablesNameScenariosThatExist":               "this table",
}

// differing is a scenario in which engines may differ, and how.
type differing struct{ name, in string }

// differs names the scenarios in which real engines may differ from the sandbox, and how. On engines, make test takes
// scenarios only from this table. What the others are about (git, plans, consent, reports, output) is the same code
// on the same API there. A scenario costs ten times as much on real engines as on the sandbox. Each run therefore
// takes one of every turn.Samples scenarios in the order of this table, because neighbours are much alike. If a heavy test has
// the turn (package turn), make test takes none. make e2e-full runs all scenarios on both.
var differs = []differing{
	{"TestContainersDoWhatTheManifestSays", "real containers, ports, mounts"},
	{"TestEnginesAndRegistriesThatGoAway", "pulls, crashes of dockerd"},
	{"TestTheReportHasTheContainersOwnError", "what a container says when it ends"},
	{"TestASpecThatCrashesIsAppliedOnceAndRemembered", "containers that crash"},
	{"TestAnEqualServiceOfTheDockerCLIIsTakenOverWithoutAWrite", "what this dockerd makes of a spec"},
	{"TestWhatTheDockerCLIMadeIsTakenOverAsItIs", "what this dockerd makes of a stack"},
	{"TestEveryFieldIsInSyncAfterOneWrite", "what this dockerd makes of each field"},
	{"TestAFieldThatNeedsANewerAPIIsRefused", "the API version"},
	{"TestDemoIsAppliedOnceAndThenNothingIsWritten", "the main job"},
	{"TestAnApplyThatIsKilledAtAnyCallConvergesLater", "what a cut call leaves in an engine"},
	{"TestDependsOnWaitsForReadyServicesAndCompleteJobs", "health checks, jobs"},
	{"TestContentThatChangesRollsItsServiceOnceAndKeepsWhatARollbackNeeds", "content as it is mounted"},
	{"TestAServiceThatWasRolledBackBeforeIsAdopted", "the updater of this version"},
	{"TestARollOutGoesOnWhileNodesGo", "nodes that crash during an update"},
	{"TestNodesComeAndGoWithoutAWrite", "restarts of engines"},
	{"TestRunOutlivesAnEngineThatIsAway", "restarts of engines"},
	{"TestANetworkInUseIsNotReplaced", "networks that nodes hold"},
	{"TestTheNetworkOfTheRoutingMeshIsSetUpFromGit", "when nodes give up the network of the mesh"},

	{"TestActorsActOneAtATimeWhateverHappensToThem", "engines that hang"},
	{"TestWithoutQuorumNothingIsWritten", "how calls end without a leader"},
	{"TestALeaderLostDuringACommitPausesNobody", "what an engine says while there is no leader"},
	{"TestAPortThatSomebodyElseTakesIsNotFoughtFor", "ports that this swarm refuses"},
	{"TestASwarmThatWasMadeAnewByForce", "--force-new-cluster"},
	{"TestASwarmIsRestoredFromABackup", "files of the raft state"},

	{"TestBareEnginesBecomeASwarm", "joining"},
	{"TestBareEnginesBecomeASwarmOverTLS", "TLS of dockerd"},
	{"TestBareEnginesBecomeASwarmOverSSH", "docker system dial-stdio"},
	{"TestTheControllerMakesASwarmAndFindsItsManagers", "joining, leaving"},
	{"TestAnEngineThatIsAwayJoinsLater", "joining"},
	{"TestTheNumberOfManagersFollowsGit", "promotion and demotion"},
	{"TestNoRoleEndsAServiceWithoutConsent", "promotion and demotion of nodes that serve"},
	{"TestADeadManagerIsReplacedUnlessSomebodyWorksOnIt", "promotion and demotion"},
	{"TestRolesThatAHandChangedArePutRight", "promotion and demotion"},
	{"TestAnotherOperatorFinishesWhenTheActingOnesNodeIsDemoted", "demotion of the engine that is talked to"},
	{"TestAnotherOperatorFinishesWhenTheActingOnesNodeIsCutOff", "partitions"},
	{"TestANodeThatJoinsHasItsLabelsWithinASecond", "joining, leaving"},
	{"TestNodesAreDrainedOneByOne", "containers that end"},
	{"TestNodesThatAreToBeAbsent", "leaving"},
	{"TestANodeThatLiesGetsNoRole", "what this dockerd says of itself, promotion"},

	{"TestEachClusterSettingChangedAloneKeepsAllOthers", "what this dockerd makes of each setting"},
	{"TestTokensAndTheUnlockKeyGoWhereTheyShould", "autolock"},
	{"TestAnEscrowThatFailsIsTriedAgain", "autolock"},
	{"TestAJoinTokenIsRotatedOnceForItsEpoch", "joining with old tokens"},
	{"TestTakingOverALockedSwarmRotatesNothing", "autolock"},
	{"TestAutolockOnAndOff", "autolock, restarts"},
	{"TestARotationThatIsKilledAtAnyCallHappensOnce", "what a cut call leaves in an engine"},
	{"TestARootWaitsForAWorkerThatIsDown", "rotation of the CA"},
	{"TestARootOfFilesReplacesTheSwarms", "rotation of the CA"},
	{"TestHelpersOpenTheirManagers", "autolock, restarts"},
	{"TestAWrongKeyIsTriedOnce", "autolock, restarts"},
}

// leaveOut keeps go test from running what has no meaning on this swarm, does not differ on it, or is left to other
// commits.
func leaveOut() {
	run := flag.Lookup("test.run")
	all := *full || run.Value.String() != "" // or somebody asks for particular tests
	if !*full {
		skip("this run, which is not -full", seldom)
	}
	switch *swarmKind {
	case onEngines:
		skip("engines", within)
		if !all {
			_ = run.Value.Set(oneOf(sampled()))
		}
	default:
		skip("the sandbox", without)
		if !all {
			others := turn.Part(2, slices.DeleteFunc(scenarios(), func(name string) bool { return everyTime[name] != "" }))
			leave(oneOf(others))
		}
	}
}

// sampled returns the scenarios that have their turn on engines.
func sampled() []string {
	sample, is := turn.Sample(turn.Now())
	if !is { // a heavy test has the turn, and somebody asks for scenarios all the same
		sample = turn.Now() % turn.Samples
	}
	var names []string
	for i, s := range differs {
		if i%turn.Samples == sample {
			names = append(names, s.name)
		}
	}
	return names
}

// skip makes go test leave out the scenarios of a table.
func skip(on string, table map[string]string) {
	names := slices.Sorted(maps.Keys(table))
	for _, name := range names {
		if flag.Lookup("test.v").Value.String() == "true" {
			fmt.Printf("not on %s: %s: %s\n", on, name, table[name])
		}
	}
	leave(oneOf(names))
}

// leave makes go test leave out what matches pattern, besides what it leaves out already.
func leave(pattern string) {
	skip := flag.Lookup("test.skip")
	if was := skip.Value.String(); was != "" {
		pattern += "|" + was
	}
	_ = skip.Value.Set(pattern) // any text is valid
}

// oneOf returns the pattern that matches any of the names, and nothing else.
func oneOf(names []string) string {
	patterns := make([]string, 0, len(names))
	for _, name := range names {
		patterns = append(patterns, "^"+regexp.QuoteMeta(name)+"$")
	}
	return strings.Join(patterns, "|")
}

// scenarios returns the names of all scenarios, sorted. go test has no list of them before it runs them, so the
// sources are read.
func scenarios() []string {
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		return nil // the binary runs elsewhere, and leaves none out
	}
	var names []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil
		}
		for _, m := range declared.FindAllSubmatch(text, -1) {
			names = append(names, string(m[1]))
		}
	}
	slices.Sort(names)
	return names
}

var declared = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\) \{$`)

// TestTablesNameScenariosThatExist exists because a mistyped name would silently leave its scenario out of the table.
func TestTablesNameScenariosThatExist(t *testing.T) {
	all := scenarios()
	if len(all) < 2*len(everyTime) {
		t.Fatalf("only %d scenarios were found in the sources", len(all))
	}
	var names []string
	for _, table := range []map[string]string{without, within, seldom, everyTime} {
		names = slices.AppendSeq(names, maps.Keys(table))
	}
	for _, s := range differs {
		names = append(names, s.name)
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			t.Errorf("there is no scenario %s", name)
		}
	}
}

package git_test
import ("testing";"fmt";"strings";"os/exec";"bytes"
"github.com/go-git/go-git/v5/plumbing/format/gitignore")
func TestIg(t *testing.T){
 r:=newRepo(t)
 paths:=[]string{"a.yaml","x/a.yaml","x/y/a.yaml","x/x/a.yaml","x/y/z/a.yaml","a/b/c.yaml","x/a/b/c.yaml","a/x/b/c.yaml","a/a/b/c.yaml","foo.tmpl.yaml","x/foo.tmpl.yaml","charts/t/a.yaml","sub/charts/t/a.yaml","a/foo","foobar.yaml"}
 pats:=[]string{"a.yaml","/a.yaml","x","x/","/x/","x/a.yaml","*/a.yaml","**/a.yaml","**/a/b","a/**","a/**/b","a/**/c.yaml","x/**/a.yaml","*.tmpl.yaml","charts","/charts/","charts/**","x/*","x/*/","**/x/a.yaml","fo?bar.yaml","[a-c].yaml","foo**","**foo.tmpl.yaml","x/**","**/","*","/*","\\a.yaml","a.yaml ","!a.yaml","**/b/c.yaml","a/b/","/a/b","x/y/**/","*/","**/y/**"}
 for _,p:=range pats{ r.write(".gitignore",p+"\n")
  for _,f:=range paths{
   cmd:=exec.Command("git","check-ignore","-q","--no-index","--stdin"); cmd=exec.Command("git","check-ignore","-q","--no-index",f); cmd.Dir=r.dir
   want:=cmd.Run()==nil
   m:=gitignore.NewMatcher([]gitignore.Pattern{gitignore.ParsePattern(p,nil)})
   parts:=strings.Split(f,"/"); got:=false
   for i:=1;i<=len(parts);i++{ if m.Match(parts[:i],i<len(parts)){got=true;break} }
   if got!=want{fmt.Println("DIFF",p,f,"git",want,"gogit",got)}
  }}
 _ = bytes.NewReader
}

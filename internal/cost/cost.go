// Package cost estimates what a stack costs in a month, from its resources and a table of prices.
//
// The prices are AWS's list prices, without tax, free tiers and discounts for volume.
package cost

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Cents are hundredths of a US dollar.
type Cents int64

func cents(usd float64) Cents { return Cents(math.Round(usd * 100)) }

// String returns dollars, such as "16.64".
func (c Cents) String() string { return strconv.FormatFloat(float64(c)/100, 'f', 2, 64) }

// MarshalJSON returns dollars as a number.
func (c Cents) MarshalJSON() ([]byte, error) { return []byte(c.String()), nil }

// Amounts are what something costs in a month. Only EC2 instances and Redis nodes can be reserved; everything else costs the same in each.
type Amounts struct {
	OnDemand   Cents `json:"onDemand"`
	OneYear    Cents `json:"oneYear"`    // instances and nodes reserved for a year, without a payment upfront
	ThreeYears Cents `json:"threeYears"` // for three years
	AtMost     Cents `json:"atMost"`     // on-demand, with as many instances as there can be
}

func (a Amounts) plus(b Amounts) Amounts {
	return Amounts{a.OnDemand + b.OnDemand, a.OneYear + b.OneYear, a.ThreeYears + b.ThreeYears, a.AtMost + b.AtMost}
}

// Item is what costs the same every month.
type Item struct {
	Name        string  `json:"name"`
	Quantity    float64 `json:"quantity"`
	MaxQuantity float64 `json:"maxQuantity"`
	Amounts
	Source *Source `json:"source"`
}

// Use is a price of what costs by use.
type Use struct {
	Name   string  `json:"name"`
	USD    float64 `json:"usd"`
	Unit   string  `json:"unit"` // what the price is for, such as "GB"
	Source *Source `json:"source"`
}

// Component is a part of a stack: a block of the environment file, or an AWS service that several of them use.
type Component struct {
	Name  string  `json:"name"`
	Items []Item  `json:"items,omitempty"`
	Use   []Use   `json:"use,omitempty"`
	Total Amounts `json:"total"`
}

// Estimate is what resources cost in a month.
type Estimate struct {
	Components []Component `json:"components"`
	Total      Amounts     `json:"total"`

	Notes     []string `json:"notes,omitempty"`     // what the sum does not have
	NoPrice   []string `json:"noPrice,omitempty"`   // what the table of prices does not have, such as an instance type
	NotPriced []string `json:"notPriced,omitempty"` // types of resources about which nothing is known
}

// Component returns a component; an empty one if there is none of that name.
func (e Estimate) Component(name string) Component {
	for _, component := range e.Components {
		if component.Name == name {
			return component
		}
	}
	return Component{Name: name}
}

// CheckRegion returns an error if there are no prices of a region.
func CheckRegion(region string) error {
	if region != Region {
		return fmt.Errorf("region %q: the table of prices (internal/cost/prices.go) has those of %s only", region, Region)
	}
	return nil
}

// Of estimates what resources in Region cost. It never fails: what it cannot price is in the result.
func Of(resources []Resource) Estimate {
	b := &bill{resources: resources, items: map[key]*line{}, uses: map[key]*price{}, notes: set{}, noPrice: set{}}
	notPriced := set{}
	for _, resource := range resources {
		if bill, ok := pricers[resource.Type]; ok {
			bill(b, resource)
		} else if !isFree(resource.Type) {
			notPriced[resource.Type] = true
		}
	}
	return Estimate{b.components(), b.total(), b.notes.sorted(), b.noPrice.sorted(), notPriced.sorted()}
}

// sortedNames sorts names without regard to case.
func sortedNames(names iter.Seq[string]) []string {
	return slices.SortedFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
	})
}

type set map[string]bool

func (s set) sorted() []string { return slices.Sorted(maps.Keys(s)) }

// key is a component and what costs in it.
type key struct{ component, name string }

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.component, b.component), cmp.Compare(a.name, b.name))
}

// line is what several resources cost together.
type line struct {
	quantity, most float64
	reserved       float64 // how many of quantity can be reserved
	monthly        rates   // of one
	source         *Source
}

func (l line) amounts() Amounts {
	reserved := func(rate float64) Cents {
		return cents(l.reserved*rate + (l.quantity-l.reserved)*l.monthly.onDemand)
	}
	return Amounts{cents(l.quantity * l.monthly.onDemand), reserved(l.monthly.oneYear), reserved(l.monthly.threeYears), cents(l.most * l.monthly.onDemand)}
}

// bill collects what resources cost.
type bill struct {
	resources []Resource
	items     map[key]*line
	uses      map[key]*price

	notes, noPrice set
}

// fixed adds a number of what costs the same every month.
func (b *bill) fixed(component string, n float64, p *price) {
	b.between(component, n, n, p)
}

// between is fixed with a number that can grow.
func (b *bill) between(component string, n, most float64, p *price) {
	monthly := p.perMonth()
	b.add(key{component, p.name}, line{n, most, 0, rates{monthly, monthly, monthly}, p.source})
}

func (b *bill) add(k key, l line) {
	if l.most == 0 {
		return
	}
	found, ok := b.items[k]
	if !ok {
		found = &line{monthly: l.monthly, source: l.source}
		b.items[k] = found
	}
	found.quantity += l.quantity
	found.most += l.most
	found.reserved += l.reserved
}

// use adds prices of what costs by use.
func (b *bill) use(component string, prices ...*price) {
	for _, p := range prices {
		b.uses[key{component, p.name}] = p
	}
}

// components returns the components in the order of their names, and their items and uses as well.
func (b *bill) components() []Component {
	found := map[string]*Component{}
	of := func(name string) *Component {
		if found[name] == nil {
			found[name] = &Component{Name: name}
		}
		return found[name]
	}
	for _, k := range slices.SortedFunc(maps.Keys(b.items), compareKeys) {
		l, c := b.items[k], of(k.component)
		amounts := l.amounts()
		c.Items = append(c.Items, Item{k.name, l.quantity, l.most, amounts, l.source})
		c.Total = c.Total.plus(amounts)
	}
	for _, k := range slices.SortedFunc(maps.Keys(b.uses), compareKeys) {
		p, c := b.uses[k], of(k.component)
		c.Use = append(c.Use, Use{p.name, p.usd, string(p.unit), p.source})
	}
	var components []Component
	for _, name := range sortedNames(maps.Keys(found)) {
		components = append(components, *found[name])
	}
	return components
}

func (b *bill) total() (total Amounts) {
	for _, component := range b.components() {
		total = total.plus(component.Total)
	}
	return total
}
